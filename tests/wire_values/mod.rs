//! For tests of all messages alike: every message behind one type, and bytes made from the tables by an encoder of
//! its own, so that a table's reader and writer cannot be wrong in the same way.

use bytes::{Bytes, BytesMut};
use corelane::base::ids::TopicId;
use corelane::wire::codec::{
    DecodeError, FieldSchema, Kind, Message, Reader, Struct, StructSchema, Versions, Writer,
};

/// Reproducible random numbers (SplitMix64).
pub struct Random(u64);

#[allow(dead_code, reason = "each test file uses a part")]
impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// One message, whichever it is.
#[allow(dead_code, reason = "each test file uses a part")]
pub struct Codec {
    pub name: &'static str,
    pub versions: Versions,
    pub first_flexible: i16,
    pub schema: &'static StructSchema,
    /// Reads a message that fills the frame, and writes it again.
    pub recode: fn(&Bytes, i16) -> Result<Bytes, DecodeError>,
    /// Only reads; for what must not panic or allocate.
    pub decode: fn(&Bytes, i16) -> Result<(), DecodeError>,
}

impl Codec {
    fn of<M: Message>() -> Codec {
        Codec {
            name: M::SCHEMA.name,
            versions: M::VERSIONS,
            first_flexible: M::FIRST_FLEXIBLE,
            schema: <M as Struct>::SCHEMA,
            recode: |frame, version| {
                let message = M::from_bytes(frame, version)?;
                let mut r = Reader::of_slice(frame);
                assert_eq!(M::decode(&mut r, version).as_ref(), Ok(&message));
                let bytes = message.to_bytes(version).expect("what was read can be written");
                assert_eq!(M::from_bytes(&bytes, version), Ok(message));
                Ok(bytes)
            },
            decode: |frame, version| M::from_bytes(frame, version).map(drop),
        }
    }

    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.first_flexible
    }

    /// The bytes of a random message.
    pub fn random_bytes(&self, version: i16, tags: UnknownTags, random: &mut Random) -> Bytes {
        let mut writer = RandomWriter {
            w: Writer::new(),
            version,
            flexible: self.is_flexible(version),
            tags,
            random,
        };
        writer.struct_of(self.schema, 0);
        writer.w.into_bytes()
    }
}

macro_rules! list_codecs {
    (
        apis { $($key:literal $name:ident $module:ident $request:ident $response:ident;)* }
        data { $($data_module:ident $data:ident;)* }
    ) => {
        /// Every message there is.
        pub fn codecs() -> Vec<Codec> {
            vec![
                $(
                    Codec::of::<corelane::wire::messages::$request>(),
                    Codec::of::<corelane::wire::messages::$response>(),
                )*
                $(Codec::of::<corelane::wire::messages::stored::$data>(),)*
            ]
        }
    };
}

corelane::for_each_message!(list_codecs);

/// Whether random messages carry tagged fields that no table knows.
#[derive(Clone, Copy, PartialEq)]
#[allow(dead_code, reason = "each test file uses a part")]
pub enum UnknownTags {
    Some,
    None,
}

struct RandomWriter<'a> {
    w: Writer,
    version: i16,
    flexible: bool,
    tags: UnknownTags,
    random: &'a mut Random,
}

impl RandomWriter<'_> {
    fn struct_of(&mut self, schema: &StructSchema, depth: usize) {
        for field in schema.fields {
            if field.versions.contains(self.version) {
                let nullable = field
                    .nullable
                    .is_some_and(|versions| versions.contains(self.version));
                if nullable && self.random.one_in(4) {
                    self.null(&field.kind);
                } else {
                    if let (true, Kind::Struct(_)) = (nullable, field.kind) {
                        self.w.i8(1);
                    }
                    self.value(&field.kind, depth, Value::Any);
                }
            }
        }
        if self.flexible {
            self.tags(schema, depth);
        }
    }

    /// A field is there or not; if it is, its value is not the default, because then it would not be written.
    fn tags(&mut self, schema: &StructSchema, depth: usize) {
        let mut there: Vec<Option<&FieldSchema>> = Vec::new();
        for field in schema.tagged {
            if field.versions.contains(self.version) && !self.random.one_in(3) {
                there.push(Some(field));
            }
        }
        if self.tags == UnknownTags::Some && self.random.one_in(2) {
            there.push(None);
        }
        self.w.unsigned_varint(there.len() as u32);
        for field in there {
            let outer = std::mem::take(&mut self.w);
            match field {
                Some(field) => {
                    let nullable = field
                        .nullable
                        .is_some_and(|versions| versions.contains(self.version));
                    if let (true, Kind::Struct(_)) = (nullable, field.kind) {
                        self.w.i8(1);
                    }
                    self.value(&field.kind, depth, Value::NotDefault);
                }
                None => {
                    let count = self.random.below(200);
                    let bytes = self.random.bytes(count);
                    self.w.raw(&bytes);
                }
            }
            let value: BytesMut = std::mem::replace(&mut self.w, outer).into_inner();
            self.w
                .unsigned_varint(field.map_or(9_999, |field| field.tag.expect("a tagged field")));
            self.w.unsigned_varint(value.len() as u32);
            self.w.raw(&value);
        }
    }

    fn null(&mut self, kind: &Kind) {
        match kind {
            Kind::Struct(_) => self.w.i8(-1),
            _ if self.flexible => self.w.unsigned_varint(0),
            Kind::String => self.w.i16(-1),
            _ => self.w.i32(-1),
        }
    }

    fn value(&mut self, kind: &Kind, depth: usize, value: Value) {
        let not_default = value == Value::NotDefault;
        // No default is a number between 1 and 100, and edges are worth a visit.
        let number = match self.random.below(if not_default { 1 } else { 6 }) {
            0 => 1 + self.random.below(100) as i64,
            1 => 0,
            2 => -1,
            3 => i64::MAX,
            4 => i64::MIN,
            _ => self.random.next() as i64,
        };
        match kind {
            Kind::Bool => {
                let value = not_default || self.random.one_in(2);
                self.w.bool(value);
            }
            Kind::Int8 => self.w.i8(number as i8),
            Kind::Int16 => self.w.i16(number as i16),
            Kind::Uint16 => self.w.u16(number as u16),
            Kind::Int32 => self.w.i32(number as i32),
            Kind::Int64 => self.w.i64(number),
            Kind::Float64 => self.w.f64(number as f64 / 8.0),
            Kind::Uuid => {
                let bytes = self.random.bytes(16);
                self.w.uuid(TopicId(bytes.try_into().expect("sixteen bytes")));
            }
            Kind::String => {
                let text = self.text(usize::from(not_default));
                self.length(text.len(), Length::Short);
                self.w.raw(text.as_bytes());
            }
            Kind::Bytes => {
                let count = usize::from(not_default) + self.random.below(40);
                let bytes = self.random.bytes(count);
                self.length(bytes.len(), Length::Long);
                self.w.raw(&bytes);
            }
            Kind::Array(element) => {
                let most = if depth < 2 { 4 } else { 3 };
                let count = usize::from(not_default) + self.random.below(most);
                self.length(count, Length::Long);
                for _ in 0..count {
                    self.value(element, depth + 1, Value::Any);
                }
            }
            Kind::Struct(schema) if not_default => {
                // The first field that is always there makes the difference.
                for (i, field) in schema.fields.iter().enumerate() {
                    self.value(
                        &field.kind,
                        depth + 1,
                        if i == 0 { Value::NotDefault } else { Value::Any },
                    );
                }
                self.tags(schema, depth + 1);
            }
            Kind::Struct(schema) => self.struct_of(schema, depth + 1),
        }
    }

    fn text(&mut self, at_least: usize) -> String {
        const PIECES: [&str; 6] = ["a", "topic-1", "ü", "日本", "🙂", "x y"];
        let mut text: String = (0..self.random.below(4))
            .map(|_| PIECES[self.random.below(PIECES.len())])
            .collect();
        if self.random.one_in(20) {
            text = "long ".repeat(60);
        }
        if text.len() < at_least {
            text.push('t');
        }
        text
    }

    fn length(&mut self, length: usize, plain: Length) {
        match plain {
            _ if self.flexible => self.w.unsigned_varint(length as u32 + 1),
            Length::Short => self.w.i16(length as i16),
            Length::Long => self.w.i32(length as i32),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Value {
    Any,
    NotDefault,
}

#[derive(Clone, Copy)]
enum Length {
    Short,
    Long,
}
