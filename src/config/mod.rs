//! Settings: one declaration each, and everything that is made of the declarations.
//!
//! Responsible for: what settings exist ([`setting_spec::SettingSpec`]: name, type, default, bounds, help, when a
//! change takes effect), for reading and checking values (TOML file, `--set`, Kafka's admin requests), for which
//! of several values of one setting wins ([`layers`]), and for showing them (`config/corelane.toml`,
//! DescribeConfigs). Must not know: who uses a setting, any I/O but the bytes of the settings file handed in,
//! Kafka's request structs. Exists on every thread; all of it is plain immutable data.
//!
//! Settings that Kafka has carry Kafka's names, types, bounds and defaults. Kafka's rule of two levels holds:
//! a *topic config* (`retention.ms`) may be set on a topic; where it is not, the *broker setting* that is its
//! synonym (`log.retention.ms`) gives the value. Our own settings have underscores instead of dots.
//!
//! Only settings that some part of the broker really follows are declared here, and a few of Kafka's that can have no effect on
//! one server; their help says so, and why.
//! Start reading in [`broker_settings`] and [`topic_config`], the two lists.

pub mod accepted_names;
pub mod broker_settings;
pub mod choices;
pub mod config_error;
pub mod cpu_list;
pub mod described_setting;
pub mod from_setting;
pub mod layers;
pub mod listen_address;
pub mod nearest_name;
pub mod rendered_file;
pub mod setting_spec;
mod settings_macro;
pub mod static_settings;
pub mod topic_config;

pub use broker_settings::Settings;
pub use choices::{CleanupPolicy, CompressionType, Durability, TimestampType};
pub use config_error::{ConfigError, InvalidSetting, Origin};
pub use described_setting::{DescribedSetting, SettingSynonym, Source};
pub use layers::{Layers, Overrides};
pub use listen_address::ListenAddress;
pub use setting_spec::{Allowed, Scope, SettingSpec, Update, ValueKind};
pub use static_settings::StaticSettings;
pub use topic_config::TopicConfig;
