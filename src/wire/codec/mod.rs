//! The encoding of the Kafka protocol: primitives, field types, and the table language of the messages.
//!
//! Does no I/O and knows no message. Used on every thread. [`Reader`] is where hostile bytes are met: it never
//! panics, and never lets decoding allocate more than the bytes at hand justify. Start reading in `table.rs`.

mod error;
mod field;
mod message;
mod reader;
mod schema;
pub(crate) mod table;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use field::{Field, Form, NullableField, Struct};
pub use message::{Message, Request, Response};
pub use reader::{Reader, TagSection};
pub use schema::{FieldSchema, Kind, StructSchema, Versions};
pub(crate) use table::messages;
pub use writer::Writer;
