//! LocalStack forgets the token of a request, which AWS repeats in every event that the request causes, and by which a
//! process knows its own work again. So one stands before its CloudFormation that remembers how many events a stack had
//! when something was begun under a token: those behind them are told with it. Everything else in them is LocalStack's.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::front::{self, Manner};

/// Where it answers with tokens in events.
pub(super) fn remembered(upstream: &str) -> String {
    let tokens = Tokens {
        upstream: upstream.to_owned(),
        begun: Mutex::default(),
    };
    front::before(upstream.to_owned(), tokens)
}

struct Tokens {
    upstream: String,
    /// Of each stack: how many events it had, and the token of what began then, oldest first.
    begun: Mutex<BTreeMap<String, Vec<(usize, String)>>>,
}

impl Manner for Tokens {
    fn there(&self, form: String) -> String {
        let begins = ["ExecuteChangeSet", "CreateStack", "DeleteStack"];
        if field(&form, "Action").is_some_and(|action| begins.contains(&action.as_str())) {
            let stack = stack_of(&form);
            let token = field(&form, "ClientRequestToken").unwrap_or_default();
            let there = self.events(&stack);
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.entry(stack).or_default().push((there, token));
        }
        form
    }

    fn back(&self, form: &str, answer: String) -> String {
        if field(form, "Action").as_deref() != Some("DescribeStackEvents") {
            return answer;
        }
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = begun.get(&stack_of(form)).cloned().unwrap_or_default();
        let mut parts = answer.split("</member>").peekable();
        let count = answer.matches("</member>").count();
        let (mut told, mut at) = (String::with_capacity(answer.len()), count);
        while let Some(part) = parts.next() {
            told.push_str(part);
            if parts.peek().is_none() {
                break;
            }
            // Newest first.
            at -= 1;
            let of = begun.iter().rfind(|(there, _)| *there <= at);
            if let Some((_, token)) = of.filter(|(_, token)| !token.is_empty()) {
                told.push_str(&format!("<ClientRequestToken>{token}</ClientRequestToken>"));
            }
            told.push_str("</member>");
        }
        told
    }
}

impl Tokens {
    /// How many events a stack has.
    fn events(&self, stack: &str) -> usize {
        let form = format!("Action=DescribeStackEvents&Version=2010-05-15&StackName={stack}");
        let signed = switchback_testkit::aws::signature("cloudformation");
        let answer = front::asked(&self.upstream, &signed, &form);
        answer.map_or(0, |(_, told)| told.matches("</member>").count())
    }
}

/// The name of the stack that a request is about, which may say its ARN.
fn stack_of(form: &str) -> String {
    let said = field(form, "StackName").unwrap_or_default();
    let name = said.split('/').nth(1).map(str::to_owned);
    name.unwrap_or(said)
}

fn field(form: &str, name: &str) -> Option<String> {
    let value = form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    })?;
    Some(value.replace("%3A", ":").replace("%2F", "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_behind_what_was_there_carry_the_token() {
        let tokens = Tokens {
            upstream: String::new(),
            begun: Mutex::default(),
        };
        let begun = vec![(1, "one".to_owned()), (2, String::new())];
        let mut known = tokens.begun.lock().expect("nobody else has it");
        known.insert("s".to_owned(), begun);
        drop(known);
        let form = "Action=DescribeStackEvents&StackName=arn%3Aaws%3Acloudformation%3Aus-east-1%3A1%3Astack%2Fs%2F1";
        let answer = "<E><member>c</member><member>b</member><member>a</member></E>";
        assert_eq!(
            tokens.back(form, answer.to_owned()),
            "<E><member>c</member><member>b<ClientRequestToken>one</ClientRequestToken></member><member>a</member></E>"
        );
    }
}
