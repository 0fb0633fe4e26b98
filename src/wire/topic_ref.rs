//! How a request names a topic: by name, or by id in newer versions.

use super::codec::{DecodeError, Reader};
use crate::base::ids::TopicId;

/// A topic as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    /// By its name, borrowed from the frame.
    Name(&'a str),
    /// By its id (KIP-516).
    Id(TopicId),
}

impl<'a> TopicRef<'a> {
    /// Reads an id from version `first_id_version` on, a name before.
    pub(super) fn read(
        r: &mut Reader<'a>,
        version: i16,
        first_id_version: i16,
        flexible: bool,
    ) -> Result<TopicRef<'a>, DecodeError> {
        if version >= first_id_version {
            r.uuid().map(TopicRef::Id)
        } else {
            r.str(flexible).map(TopicRef::Name)
        }
    }
}
