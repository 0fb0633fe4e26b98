//! How each type a field may have goes over the wire.

use bytes::Bytes;

use super::error::{DecodeError, DecodeErrorKind, EncodeError};
use super::schema::{Kind, StructSchema};
use super::{Reader, Writer};
use crate::base::ids::TopicId;

/// What decides the form of a field besides its type.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The message's version.
    pub version: i16,
    /// Whether the version is flexible: compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
    /// Whether the field may be null in this version.
    pub nullable: bool,
}

/// A type that fields of messages have.
pub trait Field: Sized {
    /// The type, as data.
    const KIND: Kind;
    /// The fewest bytes a value takes on the wire in any version, at least 1.
    const MIN_BYTES: usize;
    /// Reads a value.
    fn read(r: &mut Reader<'_>, form: Form) -> Result<Self, DecodeError>;
    /// Writes the value.
    fn write(&self, w: &mut Writer, form: Form) -> Result<(), EncodeError>;
}

/// A field type that has a form for null, used as `Option<T>`.
pub trait NullableField: Field {
    /// Reads a value or null.
    fn read_nullable(r: &mut Reader<'_>, form: Form) -> Result<Option<Self>, DecodeError>;
    /// Writes a value or null.
    fn write_nullable(value: Option<&Self>, w: &mut Writer, form: Form) -> Result<(), EncodeError>;
}

/// A struct made by a table.
pub trait Struct: Field + Default {
    /// Its table.
    const SCHEMA: &'static StructSchema;
}

macro_rules! scalar {
    ($($type:ty: $kind:ident, $bytes:literal, $method:ident;)*) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::$kind;
            const MIN_BYTES: usize = $bytes;
            fn read(r: &mut Reader<'_>, _: Form) -> Result<Self, DecodeError> {
                r.$method()
            }
            fn write(&self, w: &mut Writer, _: Form) -> Result<(), EncodeError> {
                w.$method(*self);
                Ok(())
            }
        }
    )*};
}

scalar! {
    bool: Bool, 1, bool;
    i8: Int8, 1, i8;
    i16: Int16, 2, i16;
    u16: Uint16, 2, u16;
    i32: Int32, 4, i32;
    i64: Int64, 8, i64;
    f64: Float64, 8, f64;
    TopicId: Uuid, 16, uuid;
}

/// Reads a value of a type that marks null by its length, where null may not be.
fn read_present<T: NullableField>(r: &mut Reader<'_>, form: Form) -> Result<T, DecodeError> {
    T::read_nullable(r, form)?.ok_or_else(|| r.error(DecodeErrorKind::UnexpectedNull))
}

impl Field for String {
    const KIND: Kind = Kind::String;
    const MIN_BYTES: usize = 1;
    fn read(r: &mut Reader<'_>, form: Form) -> Result<Self, DecodeError> {
        read_present(r, form)
    }
    fn write(&self, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        w.nullable_str(Some(self), form.flexible)
    }
}

impl NullableField for String {
    fn read_nullable(r: &mut Reader<'_>, form: Form) -> Result<Option<Self>, DecodeError> {
        match r.nullable_str(form.flexible)? {
            Some(text) => {
                r.book(text.len())?;
                Ok(Some(text.to_owned()))
            }
            None => Ok(None),
        }
    }
    fn write_nullable(value: Option<&Self>, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        w.nullable_str(value.map(String::as_str), form.flexible)
    }
}

impl Field for Bytes {
    const KIND: Kind = Kind::Bytes;
    const MIN_BYTES: usize = 1;
    fn read(r: &mut Reader<'_>, form: Form) -> Result<Self, DecodeError> {
        read_present(r, form)
    }
    fn write(&self, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        w.nullable_bytes(Some(self), form.flexible)
    }
}

impl NullableField for Bytes {
    fn read_nullable(r: &mut Reader<'_>, form: Form) -> Result<Option<Self>, DecodeError> {
        r.nullable_bytes(form.flexible)
    }
    fn write_nullable(value: Option<&Self>, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        w.nullable_bytes(value.map(Bytes::as_ref), form.flexible)
    }
}

impl<T: Field> Field for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);
    const MIN_BYTES: usize = 1;
    fn read(r: &mut Reader<'_>, form: Form) -> Result<Self, DecodeError> {
        read_present(r, form)
    }
    fn write(&self, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        Vec::write_nullable(Some(self), w, form)
    }
}

impl<T: Field> NullableField for Vec<T> {
    fn read_nullable(r: &mut Reader<'_>, form: Form) -> Result<Option<Self>, DecodeError> {
        let Some(count) = r.nullable_count(form.flexible, T::MIN_BYTES)? else {
            return Ok(None);
        };
        r.book(count.saturating_mul(size_of::<T>()))?;
        let mut elements = Vec::with_capacity(count);
        let form = Form {
            nullable: false,
            ..form
        };
        for _ in 0..count {
            elements.push(T::read(r, form)?);
        }
        Ok(Some(elements))
    }
    fn write_nullable(value: Option<&Self>, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        w.nullable_count(value.map(Vec::len), form.flexible)?;
        let form = Form {
            nullable: false,
            ..form
        };
        for element in value.into_iter().flatten() {
            element.write(w, form)?;
        }
        Ok(())
    }
}

/// A nullable struct begins with a byte: negative for null, else 1.
impl<T: Struct> NullableField for T {
    fn read_nullable(r: &mut Reader<'_>, form: Form) -> Result<Option<Self>, DecodeError> {
        if r.i8()? < 0 {
            return Ok(None);
        }
        T::read(r, form).map(Some)
    }
    fn write_nullable(value: Option<&Self>, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        match value {
            None => {
                w.i8(-1);
                Ok(())
            }
            Some(value) => {
                w.i8(1);
                value.write(w, form)
            }
        }
    }
}

impl<T: NullableField> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const MIN_BYTES: usize = 1;
    fn read(r: &mut Reader<'_>, form: Form) -> Result<Self, DecodeError> {
        if form.nullable {
            T::read_nullable(r, form)
        } else {
            T::read(r, form).map(Some)
        }
    }
    fn write(&self, w: &mut Writer, form: Form) -> Result<(), EncodeError> {
        match self {
            value if form.nullable => T::write_nullable(value.as_ref(), w, form),
            Some(value) => value.write(w, form),
            None => Err(EncodeError::UnexpectedNull(std::any::type_name::<T>())),
        }
    }
}
