//! How a record is printed.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::cli::base64;
use crate::cli::client::Partition;
use crate::wire::records::Record;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RecordFormat {
    /// The value, as it is
    #[default]
    Value,
    /// Key, separator and value, as they are
    KeyValue,
    /// A JSON object with topic, partition, offset, timestamp, key, value and headers; what is not UTF-8 comes as base64
    Json,
}

/// Prints records one by one.
#[derive(Clone, Debug)]
pub struct RecordPrinter {
    pub format: RecordFormat,
    /// Between key and value.
    pub separator: Vec<u8>,
    /// Behind each record.
    pub delimiter: Vec<u8>,
}

impl RecordPrinter {
    /// Prints a record. A key or value that is none is printed as nothing, except in JSON.
    pub fn print(&self, out: &mut dyn Write, partition: &Partition, record: &Record<'_>) -> io::Result<()> {
        match self.format {
            RecordFormat::Value => out.write_all(record.value.unwrap_or_default())?,
            RecordFormat::KeyValue => {
                out.write_all(record.key.unwrap_or_default())?;
                out.write_all(&self.separator)?;
                out.write_all(record.value.unwrap_or_default())?;
            }
            RecordFormat::Json => serde_json::to_writer(&mut *out, &as_json(partition, record))?,
        }
        out.write_all(&self.delimiter)
    }
}

fn as_json(partition: &Partition, record: &Record<'_>) -> Value {
    let mut object = Map::new();
    object.insert("topic".to_owned(), json!(&*partition.topic));
    object.insert("partition".to_owned(), json!(partition.index));
    object.insert("offset".to_owned(), json!(record.offset.0));
    object.insert("timestamp".to_owned(), json!(record.timestamp_ms));
    insert(&mut object, "key", record.key);
    insert(&mut object, "value", record.value);
    let headers: Vec<Value> = record
        .headers()
        .map(|header| {
            let mut object = Map::new();
            object.insert("key".to_owned(), json!(String::from_utf8_lossy(header.key)));
            insert(&mut object, "value", header.value);
            Value::Object(object)
        })
        .collect();
    if !headers.is_empty() {
        object.insert("headers".to_owned(), Value::Array(headers));
    }
    Value::Object(object)
}

fn insert(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), json!(text)),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), json!(base64::encode(bytes))),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::{BatchBuilder, BatchView, Compression};

    fn check(format: RecordFormat, key: Option<&[u8]>, value: Option<&[u8]>, expected: &str) {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(5, key, value, &[("h", Some(b"1")), ("n", None)]);
        let batch = builder.build().unwrap();
        let record = BatchView::parse(&batch)
            .unwrap()
            .records()
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let printer = RecordPrinter {
            format,
            separator: b"\t".to_vec(),
            delimiter: b"\n".to_vec(),
        };
        let mut out = Vec::new();
        printer.print(&mut out, &Partition::new("t", 3), &record).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn formats() {
        check(RecordFormat::Value, Some(b"k"), Some(b"v"), "v\n");
        check(RecordFormat::Value, None, None, "\n");
        check(RecordFormat::KeyValue, Some(b"k"), Some(b"v"), "k\tv\n");
        check(RecordFormat::KeyValue, None, Some(b"v"), "\tv\n");
        let headers = r#""headers":[{"key":"h","value":"1"},{"key":"n","value":null}]}"#;
        let place = r#"{"topic":"t","partition":3,"offset":0,"timestamp":5,"#;
        check(
            RecordFormat::Json,
            Some(b"k"),
            None,
            &format!("{place}\"key\":\"k\",\"value\":null,{headers}\n"),
        );
        check(
            RecordFormat::Json,
            None,
            Some(&[0xff]),
            &format!("{place}\"key\":null,\"value_base64\":\"/w==\",{headers}\n"),
        );
    }
}
