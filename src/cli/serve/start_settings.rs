//! The settings of a start: those of the file, then `--set`, then the options of their own.

use anyhow::Context;

use super::ServeArgs;
use crate::config::{ConfigError, Origin, StaticSettings};

/// Reads and checks all of them.
pub fn start_settings(args: &ServeArgs) -> anyhow::Result<StaticSettings> {
    let mut settings = StaticSettings::default();
    if let Some(path) = &args.config {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("could not read the settings file {}", path.display()))?;
        settings.add_toml(&path.display().to_string(), &text)?;
    }
    add_arguments(&mut settings, args)?;
    settings.check_together()?;
    Ok(settings)
}

fn add_arguments(settings: &mut StaticSettings, args: &ServeArgs) -> Result<(), ConfigError> {
    for assignment in &args.set {
        settings.add_assignment(assignment)?;
    }
    let dirs: Vec<String> = args
        .data_dir
        .iter()
        .map(|dir| dir.display().to_string())
        .collect();
    // The command line wins over the file, whichever of the two settings has it there.
    let (data_dir, data_dirs) = match &dirs[..] {
        [] => (None, None),
        [one] => (Some(one.clone()), Some(String::new())),
        several => (None, Some(several.join(","))),
    };
    let listen = if args.listen.is_empty() {
        None
    } else {
        Some(args.listen.join(","))
    };
    let options = [
        ("--listen", "listen", listen),
        ("--data-dir", "data_dir", data_dir),
        ("--data-dir", "data_dirs", data_dirs),
        ("--shards", "shards", args.shards.clone()),
        ("--cpus", "cpus", args.cpus.clone()),
    ];
    for (option, name, value) in options {
        if let Some(value) = value {
            settings.add(name, &value, Origin::CommandLine(format!("{option} {value}")))?;
        }
    }
    Ok(())
}
