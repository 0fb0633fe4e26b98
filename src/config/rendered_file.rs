//! The settings file that shows every setting, made from the declarations.

use std::fmt::Write;

use crate::config::broker_settings::Settings;
use crate::config::setting_spec::{SettingSpec, Update, ValueKind};

const HEAD: &str = "\
# Settings of a Corelane server: `corelane serve --config corelane.toml`.
#
# Every setting is here, commented out, with its default. The same names work with `--set key=value`, which wins
# over this file. Settings marked \"dynamic\" can also be changed while the server runs, with Kafka's admin requests;
# such a change wins over both. Settings with dots are Kafka's and mean what they mean there.
#
# This file is made from the declarations in the code; a test keeps it true.
";

/// Width of the comments, in characters.
const WIDTH: usize = 110;

/// The whole of `config/corelane.toml`.
pub fn render() -> String {
    let mut file = HEAD.to_string();
    for spec in Settings::SPECS {
        file.push('\n');
        for line in wrapped(&spec.help()) {
            let _ = writeln!(file, "# {line}");
        }
        let when = if spec.update == Update::Dynamic {
            "; dynamic"
        } else {
            ""
        };
        let default = if spec.default.is_none() {
            "; not set by default"
        } else {
            ""
        };
        let _ = writeln!(file, "# ({}{default}{when})", spec.expected());
        let _ = writeln!(file, "#{} = {}", key(spec), value(spec));
    }
    file
}

/// A key that is the beginning of another can't be written with bare dots.
fn key(spec: &SettingSpec) -> String {
    let is_beginning = |other: &SettingSpec| {
        other
            .name
            .strip_prefix(spec.name)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    if Settings::SPECS.iter().any(is_beginning) {
        format!("\"{}\"", spec.name)
    } else {
        spec.name.to_string()
    }
}

fn value(spec: &SettingSpec) -> String {
    let Some(default) = spec.default else {
        return "...".to_string();
    };
    match spec.kind {
        ValueKind::Boolean | ValueKind::Int | ValueKind::Long | ValueKind::Double => default.to_string(),
        ValueKind::String | ValueKind::List => format!("\"{default}\""),
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one at least");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= WIDTH - 2 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StaticSettings;

    /// `CORELANE_RENDER=1 cargo test --lib config` writes the file anew.
    #[test]
    fn the_file_in_the_repository_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/corelane.toml");
        if std::env::var_os("CORELANE_RENDER").is_some() {
            std::fs::write(path, render()).expect("the repository is writable");
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == render(),
            "config/corelane.toml is not what the declarations say; CORELANE_RENDER=1 cargo test --lib config"
        );
    }

    #[test]
    fn the_file_can_be_used_as_it_is_and_with_all_settings_in_force() {
        let mut settings = StaticSettings::default();
        settings.add_toml("as it is", &render()).expect("all comments");
        assert_eq!(settings, StaticSettings::default());
        let in_force: String = render()
            .lines()
            .filter(|line| !line.starts_with("# ") && !line.ends_with("= ..."))
            .map(|line| format!("{}\n", line.trim_start_matches('#')))
            .collect();
        settings
            .add_toml("in force", &in_force)
            .expect("every default is allowed");
        assert_eq!(settings.settings(), StaticSettings::default().settings());
    }
}
