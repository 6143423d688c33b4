//! What a step says when the engine, a command or a container fails it.

use switchback_engine::ports::Failure;
use switchback_engine::process::CommandError;
use switchback_model::{Problem, ServiceName};

use super::engine_api::unknown;
use super::shared::ContainersError;

/// A problem as a step's failure.
pub(super) fn failure_of(problem: Problem) -> Failure {
    Failure {
        code: problem.code,
        what: problem.what,
        causes: problem.causes,
        // "Nothing was changed" is true of planning only; what could not be looked at stays unknown.
        state: problem
            .state
            .into_iter()
            .filter(|state| state.seen.is_none())
            .collect(),
        hints: problem.hints,
        output: None,
        stopped: false,
    }
}

/// A `docker` command that did not do what it should. Where the engine is the reason, that is said.
pub(super) fn command_failed(error: CommandError, code: &str, what: String) -> Failure {
    let down = matches!(&error, CommandError::Exit { output, .. }
        if output.contains("Cannot connect to the Docker daemon") || output.contains("error during connect"));
    if down {
        unknown(error.into_failure("docker-engine-down", what))
            .hint("start the Docker Engine (sudo systemctl start docker), then resume: what was begun is found again")
    } else {
        error.into_failure(code, what)
    }
}

/// Asking for a service's containers failed.
pub(super) fn containers_failed(service: &ServiceName, error: ContainersError) -> Failure {
    let what = format!("cannot look at the containers of `{service}`");
    match error {
        ContainersError::Engine(error) => error.into_failure(what),
        ContainersError::NoEngine(problem) => {
            let mut failure = unknown(Failure::new(&problem.code, what)).cause(&problem);
            failure.causes.extend(problem.causes);
            failure.hints = problem.hints;
            failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(output: &str) -> CommandError {
        CommandError::Exit {
            command: "docker compose stop stack".to_owned(),
            code: 1,
            output: output.to_owned(),
        }
    }

    #[test]
    fn an_engine_that_went_away_in_the_middle_is_told_from_a_command_that_failed() {
        let down = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n";
        let failure = command_failed(exit(down), "stop-failed", "cannot stop stack".to_owned());
        assert_eq!(failure.code, "docker-engine-down");
        assert!(failure.hints[0].contains("then resume"));
        // What could not be looked at is not claimed.
        assert_eq!(failure.state[0].seen, None);
        let failure = command_failed(
            exit("no such service: x\n"),
            "stop-failed",
            "cannot stop x".to_owned(),
        );
        assert_eq!(failure.code, "stop-failed");
        assert_eq!(
            failure.causes.last().map(String::as_str),
            Some("no such service: x")
        );
    }
}
