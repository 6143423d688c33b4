//! Plans, ways back and the checker, tried on simulated observations of deployments.

mod atelier;
mod choices;
mod climbs;
mod engines;
mod forecasts;
mod hand_work;
mod mutations;
mod packages;
mod properties;
mod refusals;
mod scenarios;
mod shadows;
mod site;
mod stackstorm;
mod stackstorm_pairs;
mod ways_back;
