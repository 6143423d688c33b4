//! Those who could write while nobody may.

use std::thread;
use std::time::{Duration, Instant};

use switchback_engine::ports::Failure;

/// How long a server may take to notice that a client has ended: it does when it next looks at that connection.
const LINGER: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile.
const ASK: Duration = Duration::from_millis(100);

/// Those of the writers that stay: a connection whose client has just ended is there for a moment yet.
pub(crate) fn lasting(
    mut look: impl FnMut() -> Result<Vec<String>, Failure>,
) -> Result<Vec<String>, Failure> {
    let begun = Instant::now();
    loop {
        let writers = look()?;
        if writers.is_empty() || begun.elapsed() > LINGER {
            return Ok(writers);
        }
        thread::sleep(ASK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_about_to_go_is_waited_for_and_who_stays_is_told() {
        let mut looks = 0;
        let gone = lasting(|| {
            looks += 1;
            Ok((looks < 3).then(|| "one".to_owned()).into_iter().collect())
        });
        assert_eq!((gone.expect("looked").len(), looks), (0, 3));
        let stays = lasting(|| Ok(vec!["two".to_owned()]));
        assert_eq!(stays.expect("looked"), ["two"]);
        let unknown = lasting(|| Err(Failure::new("datastore-unreachable", "no answer")));
        assert!(unknown.is_err());
    }
}
