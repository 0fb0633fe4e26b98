//! The SCRAM mechanisms of Kafka's protocol.

/// A mechanism, by the hash it is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SCRAM-SHA-512, which Kafka added in the same manner.
    Sha512,
}

impl ScramMechanism {
    /// Both of them.
    pub const ALL: [ScramMechanism; 2] = [ScramMechanism::Sha256, ScramMechanism::Sha512];

    /// The mechanism's number in requests and records; it never changes.
    pub const fn code(self) -> i8 {
        match self {
            ScramMechanism::Sha256 => 1,
            ScramMechanism::Sha512 => 2,
        }
    }

    /// The mechanism of a number, `None` if there is no such.
    pub fn from_code(code: i8) -> Option<ScramMechanism> {
        ScramMechanism::ALL.into_iter().find(|one| one.code() == code)
    }

    /// Its name in the SASL handshake.
    pub const fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kafkas_and_come_back() {
        for mechanism in ScramMechanism::ALL {
            assert_eq!(ScramMechanism::from_code(mechanism.code()), Some(mechanism));
        }
        for unknown in [-1, 0, 3, i8::MAX] {
            assert_eq!(ScramMechanism::from_code(unknown), None);
        }
        assert_eq!(ScramMechanism::from_code(2).unwrap().name(), "SCRAM-SHA-512");
    }
}
