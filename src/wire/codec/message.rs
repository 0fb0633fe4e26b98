//! What every message can do, whatever its table.

use bytes::Bytes;

use super::error::{DecodeError, DecodeErrorKind, EncodeError};
use super::field::{Form, Struct};
use super::schema::Versions;
use super::{Reader, Writer};
use crate::wire::api::ApiKey;

/// A request, a response, or something stored in the same encoding.
pub trait Message: Struct + Clone + std::fmt::Debug + PartialEq {
    /// The versions its table knows.
    const VERSIONS: Versions;
    /// The first flexible version (KIP-482), `i16::MAX` if there is none.
    const FIRST_FLEXIBLE: i16;

    /// Reads a message. Bytes behind it are left to be read.
    fn decode(r: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        match form_of::<Self>(version) {
            Some(form) => Self::read(r, form),
            None => Err(r.error(DecodeErrorKind::UnsupportedVersion(version))),
        }
    }

    /// Writes the message.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError> {
        match form_of::<Self>(version) {
            Some(form) => self.write(w, form),
            None => Err(EncodeError::UnsupportedVersion(version)),
        }
    }

    /// Reads a message that fills `frame`; byte fields share it.
    fn from_bytes(frame: &Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut r = Reader::new(frame);
        let message = Self::decode(&mut r, version)?;
        r.finish()?;
        Ok(message)
    }

    /// The message's bytes, without any header.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut w = Writer::new();
        self.encode(&mut w, version)?;
        Ok(w.into_bytes())
    }
}

/// What a client sends.
pub trait Request: Message {
    /// The API it belongs to.
    const API: ApiKey;
    /// What it is answered with.
    type Response: Response;
}

/// What a broker answers.
pub trait Response: Message {
    /// The API it belongs to.
    const API: ApiKey;
}

fn form_of<M: Message>(version: i16) -> Option<Form> {
    M::VERSIONS.contains(version).then_some(Form {
        version,
        flexible: version >= M::FIRST_FLEXIBLE,
        nullable: false,
    })
}
