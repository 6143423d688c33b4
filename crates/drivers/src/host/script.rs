//! A command as the shell of another machine reads it.

use switchback_engine::process::Argv;

/// What administrators' programs need, and a session of no shell of one's own is not given.
const PATH: &str = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n";

/// One word of a POSIX shell, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The command with its environment and directory, for [`launcher`].
///
/// It is one compound command: what a lost connection cuts off is a syntax error, and nothing of it is done.
/// 255 is what `ssh` says of itself, so a program's own 255 is told as 254.
pub(super) fn of(argv: &Argv) -> String {
    let mut text = format!("{{ {PATH}");
    if let Some(directory) = &argv.directory {
        let directory = quoted(&directory.to_string_lossy());
        text.push_str(&format!("cd -- {directory} || exit 254\n"));
    }
    for (name, secret) in &argv.env {
        text.push_str(&format!("export {name}={}\n", quoted(secret.expose())));
    }
    text.push_str(&quoted(&argv.program));
    for arg in &argv.args {
        text.push(' ');
        text.push_str(&quoted(arg));
    }
    text.push_str("\ncode=$?\n[ $code -ne 255 ] || code=254\nexit $code\n}");
    text
}

/// What the user's shell over there is told, whichever it is: to read that many bytes and be what they say.
/// The rest of the input is the program's.
pub(super) fn launcher(length: usize, sudo: bool) -> String {
    let shell = format!("sh -c 'eval \"$(dd bs=1 count={length} 2>/dev/null)\"'");
    if sudo {
        format!("exec sudo -n -- {shell}")
    } else {
        format!("exec {shell}")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use switchback_engine::process::Secret;

    use super::*;

    /// As `ssh` does it: the launcher as the one argument of a shell, the script and what follows as its input.
    fn run(script: &[u8], length: usize, input: &[u8]) -> (Option<i32>, Vec<u8>) {
        let mut child = Command::new("sh")
            .args(["-c", &launcher(length, false)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let mut stdin = child.stdin.take().expect("piped");
        let _ = stdin.write_all(script);
        let _ = stdin.write_all(input);
        drop(stdin);
        let ended = child.wait_with_output().expect("it ends");
        (ended.status.code(), ended.stdout)
    }

    fn said(argv: &Argv, input: &[u8]) -> (Option<i32>, Vec<u8>) {
        let script = of(argv);
        run(script.as_bytes(), script.len(), input)
    }

    /// Words with everything that a shell could take for something else.
    fn words(seed: u64, number: usize) -> Vec<String> {
        const PARTS: [&str; 24] = [
            "'",
            "\"",
            "\\",
            "$",
            "`",
            "$(touch x)",
            " ",
            "\n",
            "\t",
            "*",
            "?",
            "~",
            "!",
            "#",
            "&",
            ";",
            "|",
            "<",
            "-",
            "=",
            "ü",
            "𝄞",
            "\u{81}",
            "%s",
        ];
        let mut dice = seed;
        let mut throw = |sides: usize| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(dice >> 33).unwrap_or(0) % sides
        };
        (0..number)
            .map(|_| (0..throw(9)).map(|_| PARTS[throw(PARTS.len())]).collect())
            .collect()
    }

    #[test]
    fn every_word_arrives_as_it_was() {
        for seed in 0..60 {
            let words = words(seed, 12);
            let argv = Argv::new("printf", ["%s\\0"]).args(words.iter().cloned());
            let told: String = words.iter().map(|word| format!("{word}\0")).collect();
            assert_eq!(said(&argv, b""), (Some(0), told.into_bytes()), "{words:?}");
        }
    }

    #[test]
    fn environment_directory_input_and_exit_code_arrive() {
        let argv = Argv::new(
            "sh",
            ["-c", "printf %s \"$TOKEN@$PWD \"; cat; exit $1", "sh", "7"],
        )
        .env("TOKEN", Secret::new("it's $HOME"))
        .directory("/usr/bin");
        let (code, told) = said(&argv, b"all the rest");
        assert_eq!(code, Some(7));
        assert_eq!(told, b"it's $HOME@/usr/bin all the rest");
        let own = Argv::new("sh", ["-c", "exit 255"]);
        assert_eq!(said(&own, b"").0, Some(254));
    }

    #[test]
    fn nothing_secret_is_in_what_a_process_list_shows() {
        let argv = Argv::new("psql", [""; 0]).env("PGPASSWORD", Secret::new("hunter2"));
        let launcher = launcher(of(&argv).len(), true);
        assert!(launcher.starts_with("exec sudo -n -- sh -c "), "{launcher}");
        assert!(!launcher.contains("hunter2") && !launcher.contains("psql"));
    }

    #[test]
    fn a_command_that_was_cut_off_is_not_begun() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let argv = Argv::new("touch", ["one", "two", "three"]).directory(directory.path());
        let script = of(&argv);
        for end in 0..script.len() {
            run(&script.as_bytes()[..end], script.len(), b"");
        }
        let left = std::fs::read_dir(directory.path())
            .expect("readable")
            .count();
        assert_eq!(left, 0, "a part of the command was run");
    }
}
