//! What can be wrong with settings.

use std::fmt;

/// A value that its setting does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    /// The setting.
    pub name: String,
    /// The value given.
    pub value: String,
    /// What would have been allowed.
    pub allowed: String,
}

impl fmt::Display for InvalidSetting {
    /// Begins as Kafka's message for the same fault does, because people search for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidSetting { name, value, allowed } = self;
        write!(f, "Invalid value {value} for configuration {name}: must be ")?;
        let starts_with_article = ["one of", "a ", "at ", "from ", "-1", "true", "text"];
        if starts_with_article.iter().any(|start| allowed.starts_with(start)) {
            f.write_str(allowed)
        } else {
            write!(f, "a {allowed}")
        }
    }
}

impl std::error::Error for InvalidSetting {}

/// Where a value of the server's start came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The settings file.
    File {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// An option of the command line, as it was written.
    CommandLine(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Origin::CommandLine(option) => write!(f, "{option}"),
        }
    }
}

/// Why the server's settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The settings file is not TOML.
    Toml {
        /// Where it stops being TOML.
        origin: Origin,
        /// What is wrong there.
        message: String,
    },
    /// No such setting.
    Unknown {
        /// Where it was set.
        origin: Origin,
        /// The unknown name.
        name: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// A topic config where a broker setting belongs.
    TopicOnly {
        /// Where it was set.
        origin: Origin,
        /// The topic config.
        name: String,
        /// The broker setting that gives all topics their default.
        broker_name: &'static str,
    },
    /// A value that its setting does not allow.
    Invalid {
        /// Where it was set.
        origin: Origin,
        /// What is wrong.
        invalid: InvalidSetting,
    },
    /// Two settings that don't go together.
    Conflict {
        /// Which, and what to do.
        message: String,
    },
    /// A `--set` without `=`.
    NotAnAssignment {
        /// The argument.
        argument: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Toml { origin, message } => write!(f, "{origin}: not valid TOML: {message}"),
            ConfigError::Unknown {
                origin,
                name,
                nearest: Some(nearest),
            } => {
                write!(
                    f,
                    "{origin}: there is no setting `{name}`; did you mean `{nearest}`?"
                )
            }
            ConfigError::Unknown {
                origin,
                name,
                nearest: None,
            } => {
                write!(
                    f,
                    "{origin}: there is no setting `{name}`; config/corelane.toml lists them all"
                )
            }
            ConfigError::TopicOnly {
                origin,
                name,
                broker_name,
            } => write!(
                f,
                "{origin}: `{name}` is a setting of topics; the default for all topics is `{broker_name}`"
            ),
            ConfigError::Invalid { origin, invalid } => write!(f, "{origin}: {invalid}"),
            ConfigError::Conflict { message } => f.write_str(message),
            ConfigError::NotAnAssignment { argument } => {
                write!(
                    f,
                    "--set {argument}: write --set key=value, for example --set num.partitions=4"
                )
            }
        }
    }
}

impl std::error::Error for ConfigError {}
