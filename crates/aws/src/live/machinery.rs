//! Machines of stacks at a stand-in that makes none: ministack runs machines as containers when they are asked for, but knows
//! no `AWS::EC2::Instance` in a template. What it does know is resources that a function makes. So one stands before its
//! CloudFormation that calls a machine such a resource on the way there and a machine again on the way back, and a function
//! of ministack's own starts and ends the machines. When a machine is made, replaced, taken back and told of, is ministack's.

use super::front::{self, Manner};
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
    let url = front::before(standin.url.clone(), Disguise);
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

/// A machine has another name at the stand-in.
struct Disguise;

impl Manner for Disguise {
    fn there(&self, form: String) -> String {
        let encoded = |text: &str| text.replace(':', "%3A");
        form.replace(&encoded(MACHINE), &encoded(MADE_BY_A_FUNCTION))
    }

    fn back(&self, _: &str, answer: String) -> String {
        answer.replace(MADE_BY_A_FUNCTION, MACHINE)
    }
}
