//! Which of several values of a setting wins.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::config::broker_settings::Settings;
use crate::config::described_setting::Source;
use crate::config::setting_spec::{Scope, SettingSpec};
use crate::config::static_settings::StaticSettings;
use crate::config::topic_config::TopicConfig;

/// Checked values by the names of their settings.
pub type Overrides = BTreeMap<String, String>;

/// The broker settings' values, from the strongest to the weakest; behind them come the defaults.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// Set by admin requests for this node.
    pub node: &'a Overrides,
    /// Set by admin requests for all nodes.
    pub default: &'a Overrides,
    /// From the settings file and the command line.
    pub fixed: &'a StaticSettings,
}

impl<'a> Layers<'a> {
    /// The settings of the node.
    pub fn settings(&self) -> Settings {
        Settings::resolve(|spec| self.broker_value(spec).map(|(value, _)| value.to_string()))
    }

    /// The configs of a topic that has these of its own.
    pub fn topic_config(&self, topic: &Overrides) -> TopicConfig {
        TopicConfig::resolve(|spec| self.topic_value(spec, topic).map(|(value, _)| value.into_owned()))
    }

    /// The value of a broker setting and where it is from.
    pub(in crate::config) fn broker_value(&self, spec: &SettingSpec) -> Option<(&'a str, Source)> {
        assert_eq!(spec.scope, Scope::Broker);
        self.values(spec.name)
            .next()
            .or_else(|| Some((spec.default?, Source::Default)))
    }

    /// The value of a topic config and where it is from.
    pub(in crate::config) fn topic_value<'t>(
        &self,
        spec: &'static SettingSpec,
        topic: &'t Overrides,
    ) -> Option<(Cow<'t, str>, Source)>
    where
        'a: 't,
    {
        assert_eq!(spec.scope, Scope::Topic);
        if let Some(value) = topic.get(spec.name) {
            return Some((Cow::Borrowed(value), Source::DynamicTopic));
        }
        for synonym in spec.synonyms {
            if let Some((value, source)) = self.values(synonym.name).next() {
                return Some((scaled(value, synonym.factor), source));
            }
        }
        Some((Cow::Borrowed(spec.default?), Source::Default))
    }

    /// All values that were given to a broker setting, the winner first.
    pub(in crate::config) fn values(&self, name: &str) -> impl Iterator<Item = (&'a str, Source)> + use<'a> {
        [
            (self.node.get(name), Source::DynamicBroker),
            (self.default.get(name), Source::DynamicDefaultBroker),
            (self.fixed.get(name), Source::StaticBroker),
        ]
        .into_iter()
        .filter_map(|(value, source)| Some((value?.as_str(), source)))
    }
}

/// A broker setting's value in the unit of the topic config. What is below zero means "no limit" in all units.
fn scaled(value: &str, factor: i64) -> Cow<'_, str> {
    if factor == 1 {
        return Cow::Borrowed(value);
    }
    let number: i64 = value
        .parse()
        .expect("only numbers are scaled, and they were checked");
    Cow::Owned(if number < 0 {
        "-1".to_string()
    } else {
        number.saturating_mul(factor).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(values: &[(&str, &str)]) -> Overrides {
        values
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    #[track_caller]
    fn check(
        node: &[(&str, &str)],
        default: &[(&str, &str)],
        fixed: &[(&str, &str)],
        topic: &[(&str, &str)],
        ms: i64,
    ) {
        let fixed = StaticSettings::from_checked(overrides(fixed));
        let (node, default) = (overrides(node), overrides(default));
        let layers = Layers {
            node: &node,
            default: &default,
            fixed: &fixed,
        };
        assert_eq!(layers.topic_config(&overrides(topic)).retention_ms, ms);
    }

    #[test]
    fn the_nearest_value_wins_and_the_finer_unit() {
        let (ms, minutes, hours) = ("log.retention.ms", "log.retention.minutes", "log.retention.hours");
        check(&[], &[], &[], &[], 604_800_000);
        check(&[], &[], &[(hours, "2")], &[], 7_200_000);
        check(&[], &[], &[(hours, "-1")], &[], -1);
        check(&[], &[], &[(hours, "2"), (minutes, "3")], &[], 180_000);
        check(&[], &[], &[(hours, "2"), (minutes, "3"), (ms, "4")], &[], 4);
        check(&[], &[(ms, "5")], &[(ms, "4")], &[], 5);
        check(&[(ms, "6")], &[(ms, "5")], &[(ms, "4")], &[], 6);
        check(
            &[(ms, "6")],
            &[(ms, "5")],
            &[(ms, "4")],
            &[("retention.ms", "7")],
            7,
        );
    }

    #[test]
    fn settings_without_a_value_stay_without() {
        let none = Overrides::new();
        let fixed = StaticSettings::from_checked(overrides(&[("shards", "3")]));
        let settings = Layers {
            node: &none,
            default: &none,
            fixed: &fixed,
        }
        .settings();
        assert_eq!(settings.shards, Some(3));
        assert_eq!(settings.cpus, None);
        assert_eq!(settings.num_partitions, 1);
        assert_eq!(settings.listen[0].to_string(), "localhost:9092");
    }
}
