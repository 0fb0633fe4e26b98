//! Separators on the command line: `\t`, `\n`, `\r`, `\0`, `\\`, and `\x1f` for any byte.

/// Reads a separator that must not be empty.
pub fn parse_separator(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('t') => b'\t',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let hex: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&hex, 16).map_err(|_| format!("\\x{hex} is not a byte: write \\x1f"))?
            }
            other => {
                return Err(format!(
                    "unknown escape \\{}",
                    other.map_or(String::new(), String::from)
                ));
            }
        });
    }
    if bytes.is_empty() {
        Err("a separator cannot be empty".to_owned())
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let check = |text: &str, bytes: &[u8]| assert_eq!(parse_separator(text).unwrap(), bytes);
        check(r"\t", b"\t");
        check(r"a\\b", b"a\\b");
        check(r"\x1f\0", &[0x1f, 0]);
        check("→", "→".as_bytes());
        for bad in ["", r"\", r"\q", r"\x", r"\xzz"] {
            assert!(parse_separator(bad).is_err(), "{bad}");
        }
    }
}
