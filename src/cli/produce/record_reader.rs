//! Cuts what is read into records.

use anyhow::{Context, bail};

use super::json_record::{JsonRecord, parse_json_record};

/// How a record is made of a piece of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordForm {
    /// The piece is the value.
    Value,
    /// Key and value with that between them.
    KeyAndValue { separator: Vec<u8>, keep_key: KeepKey },
    /// A JSON object, as `corelane consume --format json` writes it.
    Json,
}

/// Whether the key stays in the value, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepKey {
    /// The value begins behind the separator.
    No,
    /// The value is the whole piece.
    Yes,
}

/// A record as it was read.
#[derive(Debug, PartialEq)]
pub enum ReadRecord<'a> {
    /// Key and value as they lie in the input.
    Plain {
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    },
    /// Out of JSON.
    Json(JsonRecord),
}

/// Collects bytes and gives the records in them.
#[derive(Debug)]
pub struct RecordReader {
    form: RecordForm,
    /// What ends a record; `None` if a whole file is one.
    delimiter: Option<Vec<u8>>,
    null_value: Option<Vec<u8>>,
    carried: Vec<u8>,
    records: u64,
}

impl RecordReader {
    /// A reader of records that end with `delimiter`, or with their file.
    pub fn new(form: RecordForm, delimiter: Option<Vec<u8>>, null_value: Option<Vec<u8>>) -> RecordReader {
        assert!(
            delimiter.as_ref().is_none_or(|d| !d.is_empty()),
            "checked by the arguments"
        );
        RecordReader {
            form,
            delimiter,
            null_value,
            carried: Vec::new(),
            records: 0,
        }
    }

    /// Takes a block and hands over the records that end in it.
    pub fn push(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(ReadRecord<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(delimiter) = self.delimiter.clone() else {
            self.carried.extend_from_slice(block);
            return Ok(());
        };
        // A delimiter of several bytes may be cut by the end of a block, so what is carried over is searched again from
        // where one could have begun.
        let mut carried = std::mem::take(&mut self.carried);
        let searched = carried.len().saturating_sub(delimiter.len() - 1);
        let bytes: &[u8] = if carried.is_empty() {
            block
        } else {
            carried.extend_from_slice(block);
            &carried
        };
        let mut start = 0;
        let mut from = searched.min(bytes.len());
        while let Some(at) = find(&bytes[from..], &delimiter) {
            let end = from + at;
            self.emit(&bytes[start..end], &mut take)?;
            start = end + delimiter.len();
            from = start;
        }
        if carried.is_empty() {
            self.carried = block[start..].to_vec();
        } else {
            carried.drain(..start);
            self.carried = carried;
        }
        Ok(())
    }

    /// The file has ended: what is left is a record.
    pub fn end_file(
        &mut self,
        mut take: impl FnMut(ReadRecord<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let rest = std::mem::take(&mut self.carried);
        if rest.is_empty() && self.delimiter.is_some() {
            return Ok(());
        }
        self.emit(&rest, &mut take)
    }

    fn emit(
        &mut self,
        piece: &[u8],
        take: &mut impl FnMut(ReadRecord<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.records += 1;
        let record = match &self.form {
            RecordForm::Value => ReadRecord::Plain {
                key: None,
                value: self.value(piece),
            },
            RecordForm::KeyAndValue { separator, keep_key } => {
                let Some(at) = find(piece, separator) else {
                    bail!(
                        "record {} has no key: the separator {:?} is not in it",
                        self.records,
                        String::from_utf8_lossy(separator)
                    );
                };
                let value = match keep_key {
                    KeepKey::No => self.value(&piece[at + separator.len()..]),
                    KeepKey::Yes => Some(piece),
                };
                ReadRecord::Plain {
                    key: Some(&piece[..at]),
                    value,
                }
            }
            RecordForm::Json if piece.iter().all(u8::is_ascii_whitespace) => return Ok(()),
            RecordForm::Json => {
                let record = parse_json_record(piece).with_context(|| format!("record {}", self.records))?;
                ReadRecord::Json(record)
            }
        };
        take(record)
    }

    fn value<'a>(&self, piece: &'a [u8]) -> Option<&'a [u8]> {
        Some(piece).filter(|piece| self.null_value.as_deref() != Some(piece))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    match what {
        [byte] => bytes.iter().position(|b| b == byte),
        _ => bytes.windows(what.len()).position(|window| window == what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: RecordForm, delimiter: Option<&str>, input: &str, expected: &[&str]) {
        // However the input is cut into blocks, the records are the same.
        for block_bytes in 1..=input.len().max(1) {
            let delimiter = delimiter.map(|d| d.as_bytes().to_vec());
            let mut reader = RecordReader::new(form.clone(), delimiter, Some(b"NULL".to_vec()));
            let mut records = Vec::new();
            let mut take = |record: ReadRecord<'_>| {
                let ReadRecord::Plain { key, value } = record else {
                    unreachable!()
                };
                let text = |bytes: Option<&[u8]>| {
                    bytes.map_or("<none>".to_owned(), |b| String::from_utf8(b.to_vec()).unwrap())
                };
                records.push(format!("{}={}", text(key), text(value)));
                Ok(())
            };
            for block in input.as_bytes().chunks(block_bytes) {
                reader.push(block, &mut take).unwrap();
            }
            reader.end_file(&mut take).unwrap();
            assert_eq!(records, expected, "in blocks of {block_bytes}");
        }
    }

    fn keyed(separator: &str, keep_key: KeepKey) -> RecordForm {
        RecordForm::KeyAndValue {
            separator: separator.as_bytes().to_vec(),
            keep_key,
        }
    }

    #[test]
    fn lines() {
        check(
            RecordForm::Value,
            Some("\n"),
            "a\n\nbc\n",
            &["<none>=a", "<none>=", "<none>=bc"],
        );
        check(
            RecordForm::Value,
            Some("\n"),
            "a\nno end",
            &["<none>=a", "<none>=no end"],
        );
        check(
            RecordForm::Value,
            Some("\n"),
            "a\r\nNULL\n",
            &["<none>=a\r", "<none>=<none>"],
        );
        check(
            RecordForm::Value,
            Some("--"),
            "a--b-c---d",
            &["<none>=a", "<none>=b-c", "<none>=-d"],
        );
        check(RecordForm::Value, Some("\n"), "", &[]);
    }

    #[test]
    fn keys() {
        check(
            keyed(":", KeepKey::No),
            Some("\n"),
            "k:v\nk::\nk:NULL\n",
            &["k=v", "k=:", "k=<none>"],
        );
        check(
            keyed(" ", KeepKey::Yes),
            Some("\n"),
            "1.2.3.4 GET /\n",
            &["1.2.3.4=1.2.3.4 GET /"],
        );
        check(keyed("=>", KeepKey::No), Some("\n"), "a=b=>c\n", &["a=b=c"]);
    }

    #[test]
    fn whole_files() {
        check(RecordForm::Value, None, "a\nb\n", &["<none>=a\nb\n"]);
    }

    #[test]
    fn a_missing_key_names_the_record() {
        let mut reader = RecordReader::new(keyed(":", KeepKey::No), Some(b"\n".to_vec()), None);
        let error = reader.push(b"a:b\nab\n", |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("record 2"), "{error}");
    }
}
