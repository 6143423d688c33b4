//! `switchback elsewhere`: what another switchback starts on this machine by SSH, to keep files that are here. One
//! request on the input, its answer on the output; nothing else is read or written, and nobody types it.

use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::exit::Exit;

use crate::failure::Failed;
use crate::signals::Listening;

/// Serves one request.
pub(crate) fn run() -> Result<Exit, Failed> {
    let stop = StopSignal::default();
    let _listening = Listening::at_once(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    switchback_datastores::serve_elsewhere(std::io::stdin().lock(), std::io::stdout(), &stop)
        .map_err(|error| {
            Problem::new(
                Exit::Refused,
                "elsewhere-unheard",
                "nobody hears what is said",
            )
            .cause(error)
            .state("what was asked", "is asked again by whoever asked it")
            .hint("this command is started by another switchback; nobody types it")
        })?;
    Ok(Exit::Ok)
}
