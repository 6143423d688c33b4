//! Stand-ins for AWS that others wrote, each started for one test on a port of loopback and ended with it.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The account that stand-ins play.
pub const ACCOUNT: &str = "123456789012";
/// A stand-in that does not answer within this is broken: most take half a second, and a minute where a dozen builds go on
/// beside it.
const PATIENCE: Duration = Duration::from_secs(180);

/// What LocalStack is told: to fetch nothing, to tell nobody, to answer no names, and to look at machines and networks
/// once a second until they are there. At once it would be too fast for a state in progress to be seen.
const OF_LOCALSTACK: [(&str, &str); 4] = [
    ("SKIP_SSL_CERT_DOWNLOAD", "1"),
    ("DISABLE_EVENTS", "1"),
    ("DNS_ADDRESS", "0"),
    ("CFN_NO_WAIT_ITERATIONS", "0"),
];

/// Which stand-in. The versions are pinned where they are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Stacks, change sets, rollbacks; databases as records. No containers.
    Ministack,
    /// The same with tasks and machines as containers of the local Docker Engine.
    MinistackOnDocker,
    /// Databases, replication groups, volumes, machines.
    Moto,
    /// Stacks that are seen while they change, each change of a machine taking a second or more. No databases, no tasks.
    LocalStack,
}

/// One stand-in; it ends when dropped.
pub struct StandIn {
    process: Child,
    /// Where it answers.
    pub url: String,
    directory: tempfile::TempDir,
}

impl StandIn {
    /// Starts one. `None`, with a line that says so, where it is not installed; an error where it was promised.
    pub fn start(kind: Kind) -> Option<Self> {
        let program = program(match kind {
            Kind::Ministack | Kind::MinistackOnDocker => "ministack",
            Kind::Moto => "moto_server",
            Kind::LocalStack => "localstack",
        })?;
        let port = free_port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        match kind {
            Kind::Moto => command.args(["-H", "127.0.0.1", "-p", &port.to_string()]),
            Kind::Ministack => command.env("DOCKER_HOST", "unix:///nonexistent"),
            Kind::MinistackOnDocker => command.env("DOCKER_HOST", "unix:///var/run/docker.sock"),
            Kind::LocalStack => command.envs(OF_LOCALSTACK).env(
                "GATEWAY_LISTEN",
                // Of an address of the other family it takes the port alone, and listens everywhere.
                format!("[::ffff:127.0.0.1]:{port}"),
            ),
        };
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .env("MINISTACK_REGION", "us-east-1");
        let health = match kind {
            Kind::Moto => "/moto-api/",
            Kind::LocalStack => "/_localstack/health",
            _ => "/_ministack/health",
        };
        Some(Self::run(command, port, health))
    }

    /// Puts a proxy before it that spoils answers as its rules say.
    pub fn spoiled(&self) -> Option<Self> {
        let program = program("microburst")?;
        let port = free_port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args([
            "--upstream",
            &self.url,
            "--port",
            &port.to_string(),
        ]);
        Some(Self::run(command, port, "/_microburst/fired"))
    }

    /// Says what shall go wrong from now on.
    pub fn rules(&self, rules: &str) {
        let url = format!("{}/_microburst/rules", self.url);
        let answer = ureq::post(&url)
            .header("content-type", "application/json")
            .send(rules)
            .expect("rules are taken");
        assert!(answer.status().is_success());
    }

    /// Makes a stack as an operator would have, long before, and says its status.
    pub fn make_stack(&self, name: &str, template: &str, parameters: &[(&str, &str)]) -> String {
        let mut form: Vec<(String, String)> = vec![
            ("Action".to_owned(), "CreateStack".to_owned()),
            ("StackName".to_owned(), name.to_owned()),
            ("TemplateBody".to_owned(), template.to_owned()),
            (
                "Capabilities.member.1".to_owned(),
                "CAPABILITY_NAMED_IAM".to_owned(),
            ),
        ];
        for ((key, value), number) in parameters.iter().zip(1..) {
            let member = format!("Parameters.member.{number}");
            form.push((format!("{member}.ParameterKey"), (*key).to_owned()));
            form.push((format!("{member}.ParameterValue"), (*value).to_owned()));
        }
        self.cloudformation(form);
        let described = self.told("DescribeStacks", name);
        let (_, rest) = described.split_once("<StackStatus>").unwrap_or_default();
        rest.split('<').next().unwrap_or_default().to_owned()
    }

    /// What CloudFormation answers to a question about one stack, as text.
    pub fn told(&self, action: &str, stack: &str) -> String {
        self.cloudformation(vec![
            ("Action".to_owned(), action.to_owned()),
            ("StackName".to_owned(), stack.to_owned()),
        ])
    }

    /// Asks for something that no client of the product asks for. Stand-ins check no signature.
    pub fn cloudformation(&self, form: Vec<(String, String)>) -> String {
        let action = form.iter().find(|(key, _)| key == "Action");
        let action = action.map(|(_, action)| action.clone()).unwrap_or_default();
        let form = form.iter().filter(|(key, _)| key != "Action");
        let form: Vec<(&str, &str)> = form
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        self.done("cloudformation", &action, &form)
    }

    /// What RDS answers to a question without parameters, as text.
    pub fn databases(&self, action: &str) -> String {
        self.ask_databases(action, &[])
    }

    /// What RDS answers, as text.
    pub fn ask_databases(&self, action: &str, form: &[(&str, &str)]) -> String {
        self.done("rds", action, form)
    }

    fn done(&self, service: &str, action: &str, form: &[(&str, &str)]) -> String {
        let (status, answer) = self.ask(service, action, form);
        assert_eq!(status, 200, "{action}: {answer}");
        answer
    }

    /// Asks a service that takes forms, and says how it answers.
    pub fn ask(&self, service: &str, action: &str, form: &[(&str, &str)]) -> (u16, String) {
        let version = match service {
            "cloudformation" => "2010-05-15",
            "rds" => "2014-10-31",
            "elasticache" => "2015-02-02",
            "ec2" => "2016-11-15",
            "autoscaling" => "2011-01-01",
            _ => "2011-06-15",
        };
        let mut whole = vec![("Action", action), ("Version", version)];
        whole.extend(form);
        let request = ureq::post(&self.url).header("Authorization", signature(service));
        let request = request.config().http_status_as_error(false).build();
        let mut answer = request.send_form(whole).expect("the stand-in answers");
        let text = answer.body_mut().read_to_string().expect("it answers");
        (answer.status().as_u16(), text)
    }

    /// Makes a bucket, or puts an object into one: `BUCKET/KEY`.
    pub fn put(&self, place: &str, content: &str) {
        ureq::put(format!("{}/{place}", self.url))
            .header("Authorization", signature("s3"))
            .send(content)
            .expect("the stand-in takes it");
    }

    /// Takes an object out of a bucket: `BUCKET/KEY`.
    pub fn take(&self, place: &str) {
        ureq::delete(format!("{}/{place}", self.url))
            .header("Authorization", signature("s3"))
            .call()
            .expect("the stand-in takes it");
    }

    /// Gives a function other settings, behind its stack's back.
    pub fn configure_function(&self, name: &str, settings: &str) {
        let place = format!("{}/2015-03-31/functions/{name}/configuration", self.url);
        ureq::put(place)
            .header("Authorization", signature("lambda"))
            .header("Content-Type", "application/json")
            .send(settings)
            .expect("the stand-in does it");
    }

    /// What S3 answers to a question about a bucket or an object, as text.
    pub fn get(&self, place: &str) -> String {
        let mut answer = ureq::get(format!("{}/{place}", self.url))
            .header("Authorization", signature("s3"))
            .call()
            .expect("the stand-in answers");
        answer.body_mut().read_to_string().expect("it answers")
    }

    /// Asks S3: `BUCKET/KEY?QUERY`. Says how it answers.
    pub fn s3(
        &self,
        method: &str,
        place: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/{place}", self.url))
            .header("Authorization", signature("s3"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned()).expect("a request");
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent.run(request).expect("the stand-in answers");
        let text = answer.body_mut().read_to_string().expect("it answers");
        (answer.status().as_u16(), text)
    }

    /// Gives a parameter of Systems Manager another value, behind its stack's back.
    pub fn parameter_store(&self, body: &str) {
        ureq::post(&self.url)
            .header("Authorization", signature("ssm"))
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", "AmazonSSM.PutParameter")
            .send(body)
            .expect("the stand-in does it");
    }

    /// What ECS answers to a question, as text.
    pub fn containers(&self, action: &str, body: &str) -> String {
        let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
        let mut answer = ureq::post(&self.url)
            .header("Authorization", signature("ecs"))
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", target)
            .send(body)
            .expect("the stand-in does it");
        answer.body_mut().read_to_string().expect("it answers")
    }

    /// Which addresses it listens on, as the kernel tells.
    pub fn listens(&self) -> Vec<IpAddr> {
        let sockets = fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("its files");
        let sockets: Vec<String> = sockets
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .filter_map(|target| {
                let target = target.to_str()?;
                let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
                Some(inode.to_owned())
            })
            .collect();
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let lines = tables.iter().flatten().flat_map(|table| table.lines());
        lines
            .filter_map(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                let listening = columns.get(3) == Some(&"0A");
                let own = columns
                    .get(9)
                    .is_some_and(|inode| sockets.iter().any(|known| known == inode));
                (listening && own).then(|| address(columns[1]))
            })
            .collect()
    }

    /// A directory of its own, for whatever a test needs beside it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn run(mut command: Command, port: u16, health: &str) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let log = fs::File::create(directory.path().join("log")).expect("log");
        let errors = log.try_clone().expect("log");
        let process = command
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("a stand-in starts");
        let mut started = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            directory,
        };
        started.wait(health);
        started
    }

    fn wait(&mut self, health: &str) {
        let url = format!("{}{health}", self.url);
        let since = Instant::now();
        while ureq::get(&url).call().is_err() {
            let ended = self.process.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && since.elapsed() < PATIENCE,
                "a stand-in does not answer: {}",
                fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The header of a request to a service of a stand-in. None of them checks it.
pub fn signature(service: &str) -> String {
    let scope = format!("{ACCOUNT}/20260101/us-east-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

fn program(name: &str) -> Option<PathBuf> {
    let (variable, environment) = match name {
        "localstack" => ("SWITCHBACK_LOCALSTACK", ""),
        "moto_server" => ("SWITCHBACK_AWS_STANDINS", "moto"),
        other => ("SWITCHBACK_AWS_STANDINS", other),
    };
    let Some(places) = std::env::var_os(variable).map(PathBuf::from) else {
        // Past the test harness, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no {name}; `cargo xtask test` installs it"
        );
        return None;
    };
    let program = places.join(environment).join("bin").join(name);
    assert!(program.exists(), "{} is missing", program.display());
    Some(program)
}

/// An address as the kernel's tables write it: words of 32 bits, each in the order of this machine, then the port.
fn address(told: &str) -> IpAddr {
    let (address, _) = told.split_once(':').expect("an address and a port");
    let words = (0..address.len()).step_by(8).flat_map(|at| {
        let word = u32::from_str_radix(&address[at..at + 8], 16).expect("a number");
        word.to_ne_bytes()
    });
    let bytes: Vec<u8> = words.collect();
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => four.into(),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).expect("sixteen bytes")).to_canonical(),
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
