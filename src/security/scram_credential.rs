//! What the server keeps of a SCRAM password: enough to check that somebody knows it, not enough to act as them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::security::scram_mechanism::ScramMechanism;

/// A user's credential for one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// The salt the password was hashed with.
    pub salt: Vec<u8>,
    /// The hash of the client's key: a client that knows the password can show the key itself.
    pub stored_key: Vec<u8>,
    /// The server's key, by which the server shows that it knows the credential.
    pub server_key: Vec<u8>,
    /// How often the password was hashed.
    pub iterations: i32,
}

/// Only what DescribeUserScramCredentials tells as well.
impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl ScramCredential {
    /// Derives the keys of a salted password (RFC 5802, section 3), which is what clients send: with it one could act as the
    /// user, so it is not kept.
    pub fn derive(
        mechanism: ScramMechanism,
        salt: Vec<u8>,
        salted_password: &[u8],
        iterations: i32,
    ) -> ScramCredential {
        let hmac = |text: &[u8]| match mechanism {
            ScramMechanism::Sha256 => hmac_sha256(salted_password, text),
            ScramMechanism::Sha512 => hmac_sha512(salted_password, text),
        };
        let client_key = hmac(b"Client Key");
        ScramCredential {
            salt,
            stored_key: match mechanism {
                ScramMechanism::Sha256 => Sha256::digest(&client_key).to_vec(),
                ScramMechanism::Sha512 => Sha512::digest(&client_key).to_vec(),
            },
            server_key: hmac(b"Server Key"),
            iterations,
        }
    }
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

fn hmac_sha512(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha512>::new_from_slice(key).expect("a key of any length will do");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The salted password of the exchange in RFC 7677, section 3: "pencil", 4096 iterations. The keys prove themselves by
    /// that exchange's signatures.
    #[test]
    fn keys_fit_the_example_of_the_rfc() {
        let mut salted_password = [0; 32];
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
        ];
        // Hi(password, salt, i) of RFC 5802.
        let mut round = hmac_sha256(b"pencil", &[&salt[..], &[0, 0, 0, 1]].concat());
        for _ in 0..4096 {
            for (sum, byte) in salted_password.iter_mut().zip(&round) {
                *sum ^= byte;
            }
            round = hmac_sha256(b"pencil", &round);
        }
        let credential =
            ScramCredential::derive(ScramMechanism::Sha256, salt.to_vec(), &salted_password, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                       r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                       c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        // v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        let server_signature = [
            0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea, 0x7e, 0x98,
            0xc8, 0x54, 0x65, 0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2, 0x39, 0x7d, 0xe4, 0x6e,
        ];
        assert_eq!(
            hmac_sha256(&credential.server_key, message.as_bytes()),
            server_signature
        );
        // p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ= is the client's key masked with this signature.
        let proof = [
            0x74, 0x7c, 0xdb, 0x65, 0xaa, 0x56, 0x22, 0x4e, 0x23, 0x52, 0x13, 0x7e, 0x52, 0xd7, 0xbd, 0xca,
            0xd6, 0xa0, 0xf7, 0x38, 0xdf, 0x30, 0x78, 0x2c, 0xaa, 0x69, 0xa2, 0xcf, 0xb0, 0x27, 0x75, 0x54,
        ];
        let client_signature = hmac_sha256(&credential.stored_key, message.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(client_signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha256::digest(client_key).to_vec(), credential.stored_key);
    }

    #[test]
    fn the_longer_hash_gives_longer_keys() {
        let credential = ScramCredential::derive(ScramMechanism::Sha512, vec![1], b"salted", 4096);
        assert_eq!(
            (credential.stored_key.len(), credential.server_key.len()),
            (64, 64)
        );
        let other = ScramCredential::derive(ScramMechanism::Sha512, vec![1], b"other", 4096);
        assert!(credential.stored_key != other.stored_key && credential.server_key != other.server_key);
    }

    #[test]
    fn nothing_secret_can_be_logged() {
        let credential = ScramCredential::derive(ScramMechanism::Sha256, vec![1, 2, 3], b"salted", 5000);
        assert_eq!(
            format!("{credential:?}"),
            "ScramCredential { iterations: 5000, .. }"
        );
    }
}
