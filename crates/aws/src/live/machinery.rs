//! Machines of stacks at a stand-in that makes none: ministack runs machines as containers when they are asked for, but knows
//! no `AWS::EC2::Instance` in a template. What it does know is resources that a function makes. So one stands before its
//! CloudFormation that calls a machine such a resource on the way there and a machine again on the way back, and a function
//! of ministack's own starts and ends the machines. When a machine is made, replaced, taken back and told of, is ministack's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::standins::StandIn;
use crate::{Account, Settings, signed};

const MACHINE: &str = "AWS::EC2::Instance";
const MADE_BY_A_FUNCTION: &str = "Custom::Machine";
const FUNCTION: &str = include_str!("machinery/function.yml");

/// Registers an image for each release, and makes the function. Returns how the account is reached then.
pub(super) fn with_machines(standin: &StandIn, images: &[(String, String)]) -> Settings {
    let account = standin.account();
    for (name, image) in images {
        register(&account, name, image);
    }
    let text = FUNCTION.replace("{endpoint}", &standin.url);
    assert_eq!(
        standin.make_stack("machines", &text, &[]),
        "CREATE_COMPLETE"
    );
    let mut settings = standin.settings();
    let url = disguised(standin.url.clone());
    settings.endpoints.insert("cloudformation".to_owned(), url);
    settings
}

fn register(account: &Account, name: &str, image: &str) {
    signed::ec2(
        account,
        "RegisterImage",
        &[("Name", name), ("ImageLocation", image)],
    )
    .expect("registered");
}

/// Answers on a port of its own until the process ends.
fn disguised(upstream: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let upstream = upstream.clone();
            thread::spawn(move || relay(connection, &upstream));
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// One request and its answer. Whoever hung up meanwhile gets none.
fn relay(mut connection: TcpStream, upstream: &str) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let (mut length, mut authorization) = (0, String::new());
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let encoded = |text: &str| text.replace(':', "%3A");
    let body = String::from_utf8(body).ok()?;
    let body = body.replace(&encoded(MACHINE), &encoded(MADE_BY_A_FUNCTION));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(upstream)
        .header("authorization", authorization)
        .content_type("application/x-www-form-urlencoded")
        .send(body)
        .ok()?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string().ok()?;
    let text = text.replace(MADE_BY_A_FUNCTION, MACHINE);
    let head = format!(
        "HTTP/1.1 {} \r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        text.len()
    );
    connection.write_all(head.as_bytes()).ok()?;
    connection.write_all(text.as_bytes()).ok()
}
