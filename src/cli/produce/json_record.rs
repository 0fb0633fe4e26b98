//! A record written as JSON, the way `corelane consume --format json` prints it.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::cli::base64;

/// What a JSON object says about a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonRecord {
    /// In ms since 1970, if given.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Reads an object with `key` or `key_base64`, `value` or `value_base64`, `headers` (an object, or an array of objects with
/// `key` and `value`), `timestamp`. A key or value that is no string is taken as its JSON text. Other fields, such as
/// `partition` and `offset`, are where the record was, not what it is.
pub fn parse_json_record(text: &[u8]) -> anyhow::Result<JsonRecord> {
    let Value::Object(object) = serde_json::from_slice(text).context("not JSON")? else {
        bail!("not a JSON object");
    };
    let mut record = JsonRecord {
        key: field(&object, "key")?,
        value: field(&object, "value")?,
        ..JsonRecord::default()
    };
    match object.get("timestamp") {
        None | Some(Value::Null) => {}
        Some(value) => {
            record.timestamp_ms = Some(value.as_i64().context("timestamp is not in milliseconds")?)
        }
    }
    match object.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(headers)) => {
            for (name, value) in headers {
                record.headers.push((name.clone(), bytes_of(value)));
            }
        }
        Some(Value::Array(headers)) => {
            for header in headers {
                let header = header.as_object().context("a header is not an object")?;
                let name = header
                    .get("key")
                    .and_then(Value::as_str)
                    .context("a header without a key")?;
                record.headers.push((name.to_owned(), field(header, "value")?));
            }
        }
        Some(_) => bail!("headers is neither an object nor an array"),
    }
    Ok(record)
}

fn field(object: &serde_json::Map<String, Value>, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    if let Some(encoded) = object.get(&format!("{name}_base64")) {
        let decoded = encoded.as_str().and_then(base64::decode);
        return Ok(Some(
            decoded.with_context(|| format!("{name}_base64 is not base64"))?,
        ));
    }
    Ok(object.get(name).and_then(bytes_of))
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_bytes().to_vec()),
        other => Some(other.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let record = parse_json_record(
            br#"{"offset":7,"key":"k","value":{"a":1},"timestamp":5,"headers":[{"key":"h","value":"v"},{"key":"n"}]}"#,
        )
        .unwrap();
        assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(record.value.as_deref(), Some(&br#"{"a":1}"#[..]));
        assert_eq!(record.timestamp_ms, Some(5));
        assert_eq!(
            record.headers,
            [("h".to_owned(), Some(b"v".to_vec())), ("n".to_owned(), None)]
        );

        let record = parse_json_record(br#"{"value_base64":"/wA=","headers":{"h":"v"}}"#).unwrap();
        assert_eq!(record.value.as_deref(), Some(&[0xff, 0][..]));
        assert_eq!(record.key, None);
        assert_eq!(record.headers.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for bad in [
            "",
            "[]",
            "{",
            r#"{"value_base64":"?"}"#,
            r#"{"timestamp":"now"}"#,
            r#"{"headers":3}"#,
        ] {
            assert!(parse_json_record(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
