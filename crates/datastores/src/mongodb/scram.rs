//! Proving to a server that the password is known, without sending it: SCRAM (RFC 5802, RFC 7677).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit as _;
use hmac::{Hmac, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// How the proof is made. Servers before 4.0 know the first only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Sha1,
    Sha256,
}

/// A conversation: what was said first, and what only the client knows.
pub(super) struct Scram {
    mechanism: Mechanism,
    password: Vec<u8>,
    first: String,
    nonce: String,
    expected: Option<String>,
}

impl Mechanism {
    /// As servers call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        macro_rules! mac {
            ($hash:ty) => {{
                // HMAC takes keys of any length.
                let Ok(mut mac) = Hmac::<$hash>::new_from_slice(key) else {
                    return Vec::new();
                };
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Self::Sha1 => mac!(Sha1),
            Self::Sha256 => mac!(Sha256),
        }
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    /// PBKDF2 with one block, as SCRAM wants it.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut round = self.hmac(password, &[salt, &1_u32.to_be_bytes()]);
        let mut sum = round.clone();
        for _ in 1..iterations {
            round = self.hmac(password, &[&round]);
            sum.iter_mut()
                .zip(&round)
                .for_each(|(sum, byte)| *sum ^= byte);
        }
        sum
    }
}

impl Scram {
    /// A conversation that has not begun.
    pub(super) fn new(mechanism: Mechanism, user: &str, password: &str) -> std::io::Result<Self> {
        let mut random = [0; 24];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        Ok(Self::with_nonce(
            mechanism,
            user,
            password,
            STANDARD.encode(random),
        ))
    }

    fn with_nonce(mechanism: Mechanism, user: &str, password: &str, nonce: String) -> Self {
        let password = match mechanism {
            // The server has never seen the password itself.
            Mechanism::Sha1 => {
                let digest = Md5::digest(format!("{user}:mongo:{password}"));
                switchback_model::digest::hex(&digest).into_bytes()
            }
            Mechanism::Sha256 => password.as_bytes().to_vec(),
        };
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            mechanism,
            password,
            first: format!("n={user},r={nonce}"),
            nonce,
            expected: None,
        }
    }

    /// What the client says first.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.first).into_bytes()
    }

    /// What the client answers to the server's first message; else what is wrong with that.
    pub(super) fn last(&mut self, server: &[u8]) -> Result<Vec<u8>, String> {
        let server = std::str::from_utf8(server).map_err(|error| error.to_string())?;
        let field = |name: &str| {
            let mut fields = server.split(',');
            fields
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| format!("no `{name}` in its first message"))
        };
        let nonce = field("r")?;
        if !nonce.starts_with(&self.nonce) {
            return Err("its nonce does not begin with ours".to_owned());
        }
        let salt = STANDARD
            .decode(field("s")?)
            .map_err(|error| error.to_string())?;
        let iterations: u32 = field("i")?
            .parse()
            .map_err(|_| "no number of iterations".to_owned())?;
        let it = self.mechanism;
        let salted = it.salted(&self.password, &salt, iterations);
        let key = it.hmac(&salted, &[b"Client Key"]);
        let bare = format!("c=biws,r={nonce}");
        let said = format!("{},{server},{bare}", self.first);
        let signature = it.hmac(&it.hash(&key), &[said.as_bytes()]);
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let server_key = it.hmac(&salted, &[b"Server Key"]);
        let expected = it.hmac(&server_key, &[said.as_bytes()]);
        self.expected = Some(format!("v={}", STANDARD.encode(expected)));
        Ok(format!("{bare},p={}", STANDARD.encode(proof)).into_bytes())
    }

    /// Whether the server knows the password, too.
    pub(super) fn accepts(&self, server: &[u8]) -> bool {
        let said = String::from_utf8_lossy(server);
        let first = said.split(',').next();
        first.is_some() && first == self.expected.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The conversation of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let mut scram = Scram::with_nonce(
            Mechanism::Sha256,
            "user",
            "pencil",
            "rOprNGfwEbeRWgbNEkqO".to_owned(),
        );
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.last(server.as_bytes()).expect("understood");
        assert_eq!(
            String::from_utf8(last).expect("text"),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(scram.accepts(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!scram.accepts(b"e=other-error"));
        assert!(scram.last(b"r=somebody else,s=aa,i=1").is_err());
    }

    /// As MongoDB's specification of authentication has it for older servers.
    #[test]
    fn older_servers_get_a_digest_for_a_password() {
        let mut scram = Scram::with_nonce(
            Mechanism::Sha1,
            "user",
            "pencil",
            "fyko+d2lbbFgONRv9qkxdawL".to_owned(),
        );
        let server = "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,s=rQ9ZY3MntBeuP3E1TDVC4w==,i=10000";
        let last = scram.last(server.as_bytes()).expect("understood");
        assert_eq!(
            String::from_utf8(last).expect("text"),
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,p=MC2T8BvbmWRckDw8oWl5IVghwCY="
        );
        assert!(scram.accepts(b"v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0="));
    }
}
