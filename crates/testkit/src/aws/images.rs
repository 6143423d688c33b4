//! Images of the local Docker Engine, made from a static busybox and a script.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the image runs: `slow` ends by itself after a moment, `fail` as a migration does that cannot go on.
const PROGRAM: &str = "#!/bin/sh
echo \"args: $*\"
case \"$*\" in
*fail*) echo 'pq: column already exists' >&2; exit 3;;
*slow*) sleep 2;;
esac
echo 'migrated'
";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An image of one test alone; gone when dropped.
pub struct Image {
    /// Its reference, with a tag.
    pub name: String,
    /// The text of what it runs.
    script: String,
}

impl Image {
    /// `None` where no engine answers.
    pub fn make() -> Option<Self> {
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("switchback-aws-{}-{number}:1", std::process::id());
        Self::of(name, PROGRAM)
    }

    /// Releases of a product's repository, one for each tag, which run `program`.
    pub fn releases(repository: &str, tags: &[&str], program: &str) -> Option<Vec<Self>> {
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let owner = format!("switchback-aws-{}-{number}", std::process::id());
        let release = |tag: &&str| Self::of(format!("{owner}/{repository}:{tag}"), program);
        tags.iter().map(release).collect()
    }

    fn of(name: String, program: &str) -> Option<Self> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .iter()
            .find(|path| Path::new(path).exists());
        let engine = Command::new("docker").arg("version").output();
        let (Some(busybox), true) = (busybox, engine.is_ok_and(|said| said.status.success()))
        else {
            assert!(
                std::env::var_os("SWITCHBACK_LIVE").is_none(),
                "SWITCHBACK_LIVE is set, but there is no Docker Engine or no static busybox"
            );
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no Docker Engine, or no static busybox"
            );
            return None;
        };
        let directory = tempfile::tempdir().expect("temporary directory");
        let root = directory.path().join("root");
        for inner in ["bin", "tmp"] {
            std::fs::create_dir_all(root.join(inner)).expect("directory");
        }
        std::fs::copy(busybox, root.join("bin/busybox")).expect("busybox");
        for applet in ["sh", "sleep", "echo", "env"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("link");
        }
        let script = root.join("bin/tti-lw-stack");
        // Another text makes another image: its containers are told from those of other tests.
        let text = format!("{program}# {name}\n");
        std::fs::write(&script, &text).expect("script");
        run("chmod", &["755", &script.to_string_lossy()]);
        let tar = directory.path().join("root.tar");
        let tar = tar.to_string_lossy();
        run("tar", &["-C", &root.to_string_lossy(), "-cf", &tar, "."]);
        run(
            "docker",
            &[
                "import",
                "-c",
                "CMD [\"/bin/sleep\", \"100000\"]",
                "-c",
                "ENV PATH=/bin",
                &tar,
                &name,
            ],
        );
        Some(Self { name, script: text })
    }

    /// What the containers that were made of it run or ran, one line each.
    pub fn containers(&self) -> Vec<String> {
        let listed = Command::new("docker")
            .args(["ps", "--all", "--no-trunc", "--format", "{{.Command}}"])
            .args(["--filter", &format!("ancestor={}", self.name)])
            .output()
            .expect("the engine lists");
        let text = String::from_utf8_lossy(&listed.stdout);
        text.lines().map(str::to_owned).collect()
    }

    /// Makes `/tmp/go` in every container of it that runs: programs can wait for that.
    pub fn let_go(&self) {
        for id in self.running() {
            // One that has ended just now waits for nothing.
            let _ = Command::new("docker")
                .args(["exec", &id, "/bin/sh", "-c", ": > /tmp/go"])
                .output();
        }
    }

    /// Puts the program of another release into every container of it that runs, as somebody does by hand on a machine.
    pub fn put_program_of(&self, other: &Self) {
        for id in self.running() {
            let mut put = Command::new("docker")
                .args(["exec", "--interactive", &id, "/bin/sh", "-c"])
                .arg("/bin/busybox cat > /bin/tti-lw-stack")
                .stdin(Stdio::piped())
                .spawn()
                .expect("the engine runs it");
            let mut stdin = put.stdin.take().expect("it is piped");
            stdin.write_all(other.script.as_bytes()).expect("taken");
            drop(stdin);
            assert!(put.wait().expect("it ends").success());
        }
    }

    /// Ids of the containers of it that run.
    pub fn running(&self) -> Vec<String> {
        let listed = Command::new("docker")
            .args(["ps", "--quiet", "--filter"])
            .arg(format!("ancestor={}", self.name))
            .output()
            .expect("the engine lists");
        let ids = String::from_utf8_lossy(&listed.stdout);
        ids.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Containers of stand-ins that have ended just now may still hold it.
        let _ = Command::new("docker")
            .args(["rmi", "--force", &self.name])
            .output();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let said = Command::new(program)
        .args(arguments)
        .output()
        .expect("runs");
    assert!(said.status.success(), "{program} {arguments:?}: {said:?}");
}

/// Every container that the stand-in made of the image ends with the test.
pub struct Containers<'a>(pub &'a Image);

impl Drop for Containers<'_> {
    fn drop(&mut self) {
        let listed = Command::new("docker")
            .args(["ps", "--all", "--quiet", "--filter"])
            .arg(format!("ancestor={}", self.0.name))
            .output();
        let ids = listed.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        for id in ids.unwrap_or_default().split_whitespace() {
            let _ = Command::new("docker").args(["rm", "--force", id]).output();
        }
    }
}
