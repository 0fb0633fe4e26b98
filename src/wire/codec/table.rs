//! The table language of the messages.
//!
//! ```text
//! messages! {
//!     api Metadata(MetadataRequest, MetadataResponse), versions 0-13, flexible 9+;
//!
//!     struct MetadataRequest {
//!         topics: Option<Vec<MetadataRequestTopic>>, 0+, nullable 1+;
//!         allow_auto_topic_creation: bool, 4+, default true, or refuse;
//!     }
//! }
//! ```
//!
//! A line is a field: its name and type, the versions that have it (`4+`, `8-10`), those in which it may be
//! null, its value where a version lacks it (else the type's own: 0, empty, and null for an `Option`), and
//! `or refuse` where a request that says something else cannot be sent in such a version: encoding fails instead
//! of changing the request's meaning. Without that, versions that lack a field leave it out silently.
//!
//! Tagged fields (KIP-482) follow in a block of their own, each with its tag:
//! `struct X { .. } tagged { 0: cluster_id: Option<String>, 12+, nullable 12+; }`.
//! They are written where they differ from their default.
//!
//! `data OffsetCommitValue, versions 0-4, flexible 4+;` instead of `api` makes a message without an API.

/// Makes structs, with their encoding, of a table.
macro_rules! messages {
    (
        api $api:ident($request:ident, $response:ident), versions $first:literal - $last:literal
            $(, flexible $flexible:literal +)?;
        $($structs:tt)*
    ) => {
        $crate::wire::codec::table::structs! { [$first $last $($flexible)?] $($structs)* }
        $crate::wire::codec::table::message! { $request, $first, $last $(, $flexible)? }
        $crate::wire::codec::table::message! { $response, $first, $last $(, $flexible)? }
        impl $crate::wire::codec::Request for $request {
            const API: $crate::wire::api::ApiKey = $crate::wire::api::ApiKey::$api;
            type Response = $response;
        }
        impl $crate::wire::codec::Response for $response {
            const API: $crate::wire::api::ApiKey = $crate::wire::api::ApiKey::$api;
        }
    };
    (
        data $name:ident, versions $first:literal - $last:literal $(, flexible $flexible:literal +)?;
        $($structs:tt)*
    ) => {
        $crate::wire::codec::table::structs! { [$first $last $($flexible)?] $($structs)* }
        $crate::wire::codec::table::message! { $name, $first, $last $(, $flexible)? }
    };
}

macro_rules! message {
    ($name:ident, $first:literal, $last:literal $(, $flexible:literal)?) => {
        impl $crate::wire::codec::Message for $name {
            const VERSIONS: $crate::wire::codec::Versions =
                $crate::wire::codec::Versions::new($first, $last);
            const FIRST_FLEXIBLE: i16 = $crate::wire::codec::table::or_never!($($flexible)?);
        }
    };
}

macro_rules! structs {
    (
        $message_versions:tt
        $(
            $(#[$meta:meta])*
            struct $name:ident {
                $(
                    $field:ident: $type:ty, $first:literal $(+)? $(- $last:literal)?
                        $(, nullable $null_first:literal $(+)? $(- $null_last:literal)?)?
                        $(, default $default:expr)?
                        $(, or $refuse:ident)?;
                )*
            }
            $(tagged {
                $(
                    $tag:literal: $tag_field:ident: $tag_type:ty, $tag_first:literal $(+)? $(- $tag_last:literal)?
                        $(, nullable $tag_null_first:literal $(+)? $(- $tag_null_last:literal)?)?
                        $(, default $tag_default:expr)?
                        $(, or $tag_refuse:ident)?;
                )*
            })?
        )*
    ) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the fields are Kafka's, and so is their meaning")]
        pub struct $name {
            $(pub $field: $type,)*
            $($(pub $tag_field: $tag_type,)*)?
        }

        impl Default for $name {
            fn default() -> Self {
                $name {
                    $($field: $crate::wire::codec::table::or_default!($($default)?),)*
                    $($($tag_field: $crate::wire::codec::table::or_default!($($tag_default)?),)*)?
                }
            }
        }

        impl $crate::wire::codec::Struct for $name {
            const SCHEMA: &'static $crate::wire::codec::StructSchema = &$crate::wire::codec::StructSchema {
                name: stringify!($name),
                fields: &[$($crate::wire::codec::FieldSchema {
                    name: stringify!($field),
                    versions: $crate::wire::codec::table::versions!($first $(- $last)?),
                    nullable: $crate::wire::codec::table::maybe_versions!(
                        $($null_first $(- $null_last)?)?
                    ),
                    tag: None,
                    kind: <$type as $crate::wire::codec::Field>::KIND,
                },)*],
                tagged: &[$($($crate::wire::codec::FieldSchema {
                    name: stringify!($tag_field),
                    versions: $crate::wire::codec::table::versions!($tag_first $(- $tag_last)?),
                    nullable: $crate::wire::codec::table::maybe_versions!(
                        $($tag_null_first $(- $tag_null_last)?)?
                    ),
                    tag: Some($tag),
                    kind: <$tag_type as $crate::wire::codec::Field>::KIND,
                },)*)?],
            };
        }

        #[allow(
            clippy::manual_range_contains,
            clippy::double_comparisons,
            reason = "most ranges have one end only, and some are a single version"
        )]
        impl $crate::wire::codec::Field for $name {
            const KIND: $crate::wire::codec::Kind =
                $crate::wire::codec::Kind::Struct(<$name as $crate::wire::codec::Struct>::SCHEMA);
            const MIN_BYTES: usize = $crate::wire::codec::table::min_bytes!(
                <$name as $crate::wire::codec::Struct>::SCHEMA, $message_versions
            );

            fn read(
                r: &mut $crate::wire::codec::Reader<'_>,
                form: $crate::wire::codec::Form,
            ) -> Result<Self, $crate::wire::codec::DecodeError> {
                let $crate::wire::codec::Form { version, flexible, .. } = form;
                let mut this = Self::default();
                $(if version >= $first $(&& version <= $last)? {
                    this.$field = $crate::wire::codec::Field::read(r, $crate::wire::codec::Form {
                        version,
                        flexible,
                        nullable: false $(|| version >= $null_first $(&& version <= $null_last)?)?,
                    })?;
                })*
                if flexible {
                    let mut section = r.tag_section()?;
                    while let Some(tag) = r.next_tag(&mut section)? {
                        $($(if tag == $tag && version >= $tag_first $(&& version <= $tag_last)? {
                            this.$tag_field = $crate::wire::codec::Field::read(r, $crate::wire::codec::Form {
                                version,
                                flexible,
                                nullable: false
                                    $(|| version >= $tag_null_first $(&& version <= $tag_null_last)?)?,
                            })?;
                        } else)*)? {
                            let _ = tag;
                            r.skip_tag(&section);
                        }
                        r.end_tag(&section)?;
                    }
                }
                Ok(this)
            }

            fn write(
                &self,
                w: &mut $crate::wire::codec::Writer,
                form: $crate::wire::codec::Form,
            ) -> Result<(), $crate::wire::codec::EncodeError> {
                let $crate::wire::codec::Form { version, flexible, .. } = form;
                $(if version >= $first $(&& version <= $last)? {
                    self.$field.write(w, $crate::wire::codec::Form {
                        version,
                        flexible,
                        nullable: false $(|| version >= $null_first $(&& version <= $null_last)?)?,
                    })?;
                } $(else if self.$field != Self::default().$field {
                    return Err($crate::wire::codec::table::$refuse(stringify!($field)));
                })?)*
                $($($(if !(version >= $tag_first) && self.$tag_field != Self::default().$tag_field {
                    return Err($crate::wire::codec::table::$tag_refuse(stringify!($tag_field)));
                })?)*)?
                if flexible {
                    let count = 0 $($(+ u32::from(
                        version >= $tag_first $(&& version <= $tag_last)?
                            && $crate::wire::codec::table::differs(
                                &self.$tag_field,
                                $crate::wire::codec::table::or_default!($($tag_default)?),
                            )
                    ))*)?;
                    w.unsigned_varint(count);
                    $($(
                        if version >= $tag_first $(&& version <= $tag_last)?
                            && $crate::wire::codec::table::differs(
                                &self.$tag_field,
                                $crate::wire::codec::table::or_default!($($tag_default)?),
                            )
                        {
                            w.unsigned_varint($tag);
                            let start = w.position();
                            self.$tag_field.write(w, $crate::wire::codec::Form {
                                version,
                                flexible,
                                nullable: false
                                    $(|| version >= $tag_null_first $(&& version <= $tag_null_last)?)?,
                            })?;
                            w.size_in_front(start)?;
                        }
                    )*)?
                }
                Ok(())
            }
        }
    )*};
}

macro_rules! or_default {
    () => {
        Default::default()
    };
    ($value:expr) => {
        $value
    };
}

macro_rules! min_bytes {
    ($schema:expr, [$first:literal $last:literal $($flexible:literal)?]) => {
        $schema.min_bytes_in(
            $crate::wire::codec::Versions::new($first, $last),
            $crate::wire::codec::table::or_never!($($flexible)?),
        )
    };
}

macro_rules! or_never {
    () => {
        i16::MAX
    };
    ($version:literal) => {
        $version
    };
}

macro_rules! versions {
    ($first:literal) => {
        $crate::wire::codec::Versions::new($first, i16::MAX)
    };
    ($first:literal - $last:literal) => {
        $crate::wire::codec::Versions::new($first, $last)
    };
}

macro_rules! maybe_versions {
    () => {
        None
    };
    ($($range:tt)+) => {
        Some($crate::wire::codec::table::versions!($($range)+))
    };
}

use super::EncodeError;
pub(crate) use {maybe_versions, message, messages, min_bytes, or_default, or_never, structs, versions};

/// The error of a field that says something its version cannot carry. Named as the tables write it.
#[cold]
pub(crate) fn refuse(field: &'static str) -> EncodeError {
    EncodeError::NotInVersion(field)
}

/// Whether a tagged field has to be written.
pub(crate) fn differs<T: PartialEq>(value: &T, default: T) -> bool {
    *value != default
}
