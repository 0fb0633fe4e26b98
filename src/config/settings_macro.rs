//! Turns a list of declarations into a struct with one typed field per setting and a table of [`SettingSpec`]s.
//!
//! [`SettingSpec`]: crate::config::SettingSpec

/// See [`broker_settings`](crate::config::broker_settings) for how it reads.
macro_rules! settings {
    (
        $(#[doc = $struct_doc:literal])+
        pub struct $name:ident of $scope:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $setting:literal, $kind:ident,
                    default $default:expr, allowed $allowed:expr, $update:ident
                    $(, else [$($synonym:literal * $factor:literal),+])?;
            )+
        }
    ) => {
        $(#[doc = $struct_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nThe setting `", $setting, "`.")]
                pub $field: $type,
            )+
        }

        impl $name {
            /// The declarations, in the order of this file.
            pub const SPECS: &'static [$crate::config::setting_spec::SettingSpec] = &[
                $(
                    $crate::config::setting_spec::SettingSpec {
                        name: $setting,
                        kind: $crate::config::setting_spec::ValueKind::$kind,
                        default: $default,
                        allowed: $allowed,
                        doc: concat!($($doc, "\n"),+),
                        scope: $crate::config::setting_spec::Scope::$scope,
                        update: $crate::config::setting_spec::Update::$update,
                        sensitive: false,
                        synonyms: &[
                            $($($crate::config::setting_spec::Synonym { name: $synonym, factor: $factor }),+)?
                        ],
                    },
                )+
            ];

            /// The declaration of a setting.
            pub fn spec(name: &str) -> Option<&'static $crate::config::setting_spec::SettingSpec> {
                Self::SPECS.iter().find(|spec| spec.name == name)
            }

            /// The settings as typed values, each looked up by its declaration.
            pub(in crate::config) fn resolve(
                mut value_of: impl FnMut(&'static $crate::config::setting_spec::SettingSpec) -> Option<String>,
            ) -> $name {
                let mut specs = Self::SPECS.iter();
                // Fields are initialised in the order they are written, which is the order of the specs.
                $name {
                    $(
                        $field: {
                            let spec = specs.next().expect("one spec per field");
                            $crate::config::from_setting::FromSetting::from_setting(value_of(spec).as_deref())
                        },
                    )+
                }
            }
        }
    };
}

pub(in crate::config) use settings;
