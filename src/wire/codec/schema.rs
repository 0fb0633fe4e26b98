//! A table as data: what tests and tools see of a message's layout. Costs nothing where nobody looks.

/// A closed range of versions; `last` is `i16::MAX` where a field is there to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first version.
    pub first: i16,
    /// The last version.
    pub last: i16,
}

impl Versions {
    /// The versions `first` to `last`.
    pub const fn new(first: i16, last: i16) -> Versions {
        Versions { first, last }
    }

    /// Whether `version` is one of them.
    pub const fn contains(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    /// All of them, ascending.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = i16> {
        self.first..=self.last
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `bool`.
    Bool,
    /// `i8`.
    Int8,
    /// `i16`.
    Int16,
    /// `u16`.
    Uint16,
    /// `i32`.
    Int32,
    /// `i64`.
    Int64,
    /// `f64`.
    Float64,
    /// `TopicId`.
    Uuid,
    /// `String`.
    String,
    /// `Bytes`, also for records.
    Bytes,
    /// `Vec` of something.
    Array(&'static Kind),
    /// A nested struct.
    Struct(&'static StructSchema),
}

/// The table of one struct.
#[derive(Clone, Copy, Debug)]
pub struct StructSchema {
    /// The struct's name.
    pub name: &'static str,
    /// Its untagged fields, in the order of the wire.
    pub fields: &'static [FieldSchema],
    /// Its tagged fields, in the order of their tags.
    pub tagged: &'static [FieldSchema],
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub struct FieldSchema {
    /// The field's name.
    pub name: &'static str,
    /// Versions that have the field.
    pub versions: Versions,
    /// Versions in which it may be null.
    pub nullable: Option<Versions>,
    /// Its tag, if it is a tagged field.
    pub tag: Option<u32>,
    /// What it holds.
    pub kind: Kind,
}

impl Kind {
    /// The fewest bytes a value takes on the wire.
    pub const fn min_bytes(&self, version: i16, flexible: bool) -> usize {
        match self {
            Kind::Bool | Kind::Int8 => 1,
            Kind::Int16 | Kind::Uint16 => 2,
            Kind::Int32 => 4,
            Kind::Int64 | Kind::Float64 => 8,
            Kind::Uuid => 16,
            Kind::String => {
                if flexible {
                    1
                } else {
                    2
                }
            }
            Kind::Bytes | Kind::Array(_) => {
                if flexible {
                    1
                } else {
                    4
                }
            }
            Kind::Struct(schema) => schema.min_bytes(version, flexible),
        }
    }
}

impl StructSchema {
    /// The fewest bytes a value takes on the wire.
    pub const fn min_bytes(&self, version: i16, flexible: bool) -> usize {
        let mut sum = if flexible { 1 } else { 0 };
        let mut i = 0;
        while i < self.fields.len() {
            let field = &self.fields[i];
            if field.versions.contains(version) {
                let nullable = match field.nullable {
                    Some(versions) => versions.contains(version),
                    None => false,
                };
                // A nullable struct begins with a byte that says whether it is there.
                let bytes = match field.kind {
                    Kind::Struct(_) if nullable => 1,
                    kind => kind.min_bytes(version, flexible),
                };
                sum += bytes;
            }
            i += 1;
        }
        sum
    }

    /// The fewest bytes a value takes in any of `versions`, leaving out those that have none of its fields.
    pub const fn min_bytes_in(&self, versions: Versions, first_flexible: i16) -> usize {
        let mut least = usize::MAX;
        let mut version = versions.first;
        while version <= versions.last {
            let flexible = version >= first_flexible;
            let bytes = self.min_bytes(version, flexible);
            if bytes > flexible as usize && bytes < least {
                least = bytes;
            }
            version += 1;
        }
        if least == usize::MAX { 1 } else { least }
    }
}
