//! Plans, ways back and the checker, tried on simulated observations of deployments.

mod atelier;
mod choices;
mod engines;
mod mutations;
mod packages;
mod properties;
mod refusals;
mod scenarios;
mod shadows;
mod site;
mod ways_back;
mod stackstorm;
