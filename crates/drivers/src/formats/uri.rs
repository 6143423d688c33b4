//! Addresses of databases as products are given them.

/// `scheme://user:password@host:port/database?…`, or `host:port` alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    /// Role.
    pub(crate) user: Option<String>,
    /// Decoded password.
    pub(crate) password: Option<String>,
    /// Host of the first server named.
    pub(crate) host: Option<String>,
    /// Its port.
    pub(crate) port: Option<u16>,
    /// Further servers, as they are written.
    pub(crate) others: Vec<String>,
    /// First segment of the path.
    pub(crate) database: Option<String>,
}

impl std::fmt::Debug for Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Uri({:?}@{:?}:{:?}/{:?})",
            self.user, self.host, self.port, self.database
        )
    }
}

impl Uri {
    /// Takes `text` apart; what is not there stays `None`.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (authority, path) = match rest[..end].split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (&rest[..end], None),
        };
        let (userinfo, servers) = match authority.rsplit_once('@') {
            Some((userinfo, servers)) => (Some(userinfo), servers),
            None => (None, authority),
        };
        let (user, password) = match userinfo {
            Some(userinfo) => match userinfo.split_once(':') {
                Some((user, password)) => (some(user), some(password)),
                None => (some(userinfo), None),
            },
            None => (None, None),
        };
        let mut servers = servers.split(',');
        let (host, port) = split_port(servers.next().unwrap_or_default());
        Self {
            user: user.map(decoded),
            password: password.map(decoded),
            host: some(host).map(decoded),
            port,
            others: servers.map(decoded).collect(),
            database: path
                .and_then(|path| some(path.split('/').next()?))
                .map(decoded),
        }
    }
}

/// The password inside `text`, where it is a URI that carries one that is not merely its user's name.
pub(crate) fn password_in(text: &str) -> Option<String> {
    text.contains("://")
        .then(|| Uri::parse(text))
        .filter(|uri| uri.password != uri.user)
        .and_then(|uri| uri.password)
}

fn split_port(server: &str) -> (&str, Option<u16>) {
    if let Some(rest) = server.strip_prefix('[') {
        let (host, port) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, port.trim_start_matches(':').parse().ok());
    }
    match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (server, None),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_apart() {
        let uri =
            Uri::parse("postgres://root:p%40ss%2Fw@postgres:5433/ttn_lorawan?sslmode=disable");
        assert_eq!(uri.user.as_deref(), Some("root"));
        assert_eq!(uri.password.as_deref(), Some("p@ss/w"));
        assert_eq!(uri.host.as_deref(), Some("postgres"));
        assert_eq!(uri.port, Some(5433));
        assert_eq!(uri.database.as_deref(), Some("ttn_lorawan"));
        let plain = Uri::parse("redis:6379");
        assert_eq!(
            (plain.host.as_deref(), plain.port),
            (Some("redis"), Some(6379))
        );
        let bare = Uri::parse("postgresql://db/tts");
        assert_eq!((bare.user, bare.port), (None, None));
        assert_eq!(Uri::parse("[::1]:6379").host.as_deref(), Some("::1"));
        let many = Uri::parse("a:1,b:2,c");
        assert_eq!((many.host.as_deref(), many.port), (Some("a"), Some(1)));
        assert_eq!(many.others, ["b:2", "c"]);
    }

    #[test]
    fn only_a_real_password_is_a_secret() {
        assert_eq!(password_in("postgres://root:root@postgres/x"), None);
        assert_eq!(
            password_in("postgres://root:s3cret@postgres/x").as_deref(),
            Some("s3cret")
        );
        assert_eq!(password_in("redis:6379"), None);
        assert!(!format!("{:?}", Uri::parse("a://u:s3cret@h")).contains("s3cret"));
    }
}
