//! Hosts that a setting names, where it is plain that it names no others.

/// A part of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'v> {
    /// A host's name, without its port.
    Host(&'v str),
    /// Anything else.
    Text(&'v str),
}

/// Keys of a database's URL that name a host by themselves.
const NAMING: [&str; 5] = ["host", "hostaddr", "service", "servicefile", "options"];

/// The value in pieces: a URL, or hosts with or without ports. Nothing where it is neither, for then it cannot be told
/// where it leads.
pub(super) fn pieces(value: &str) -> Option<Vec<Piece<'_>>> {
    let (before, hosts, after) = match value.find("://") {
        Some(scheme) => {
            let begin = scheme + "://".len();
            let rest = &value[begin..];
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let user = rest[..end].rfind('@').map_or(0, |at| at + 1);
            if names_hosts(&rest[end..]) {
                return None;
            }
            (
                &value[..begin + user],
                &rest[user..end],
                &value[begin + end..],
            )
        }
        None => ("", value, ""),
    };
    let mut pieces = vec![Piece::Text(before)];
    for (place, one) in hosts.split(',').enumerate() {
        let (host, port) = match one.split_once(':') {
            Some((host, port)) => (host, port),
            None => (one, ""),
        };
        let letter = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '.';
        let is_host = !host.is_empty() && host.chars().all(letter);
        if !is_host || !port.chars().all(|it| it.is_ascii_digit()) {
            return None;
        }
        if place > 0 {
            pieces.push(Piece::Text(","));
        }
        pieces.push(Piece::Host(host));
        pieces.push(Piece::Text(&one[host.len()..]));
    }
    pieces.push(Piece::Text(after));
    pieces.retain(|piece| !matches!(piece, Piece::Text("")));
    Some(pieces)
}

/// True where what follows the hosts of a URL may name others.
fn names_hosts(after: &str) -> bool {
    let Some((_, query)) = after.split_once('?') else {
        return false;
    };
    query.split(['&', ';', '#']).any(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        // A key that is written in code may be any.
        key.contains('%') || NAMING.contains(&key.to_ascii_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::Piece::{Host, Text};
    use super::pieces;

    #[test]
    fn hosts_are_taken_out_of_what_surely_names_no_others() {
        assert_eq!(
            pieces("postgresql://root:p%40s@db.example:5432/tts?sslmode=require"),
            Some(vec![
                Text("postgresql://root:p%40s@"),
                Host("db.example"),
                Text(":5432"),
                Text("/tts?sslmode=require"),
            ])
        );
        assert_eq!(
            pieces("postgres://a,b:1/"),
            Some(vec![
                Text("postgres://"),
                Host("a"),
                Text(","),
                Host("b"),
                Text(":1"),
                Text("/")
            ])
        );
        assert_eq!(pieces("db:5432"), Some(vec![Host("db"), Text(":5432")]));
        for unsure in [
            "",
            "host=db port=5432",
            "postgres://u:p/w@db/x",
            "postgres:///tts?host=db",
            "postgres://db/tts?sslmode=off&hostaddr=10.0.0.1",
            "postgres://db/tts?h%6Fst=other",
            "postgres://db/tts?service=prod",
            "postgres://[::1]/tts",
            "db,",
        ] {
            assert_eq!(pieces(unsure), None, "{unsure}");
        }
    }
}
