//! Which services take part in an upgrade, and in which role.

use std::collections::BTreeMap;

use switchback_model::observed::{ImagePin, Observed, Service, ServiceState};
use switchback_model::product::{Edition, Product};
use switchback_model::{Config, ServiceName, Version};

use super::reference;

/// The services of one deployment that carry the product's version.
#[derive(Clone, Debug)]
pub(crate) struct Cast<'a> {
    members: Vec<Member<'a>>,
}

/// One service that carries the product's version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// As it was found.
    pub(crate) service: &'a Service,
    /// What it runs.
    pub(crate) role: Role,
}

/// What a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The product's own image: it can run migrations and answers for health.
    Component,
    /// An image that must carry the same tag.
    Companion,
}

impl<'a> Cast<'a> {
    /// Sorts the services of `observed`, in the order of their configuration.
    pub(crate) fn of(product: &Product, config: &Config, observed: &'a Observed) -> Self {
        let companions = edition(product, config).map_or(&[][..], |edition| &edition.companions);
        let members = observed
            .services
            .iter()
            .filter_map(|service| {
                let companion = companions
                    .iter()
                    .any(|image| reference::is_of(&service.image, image));
                let role = match (service.component, companion) {
                    (true, _) => Role::Component,
                    (false, true) => Role::Companion,
                    (false, false) => return None,
                };
                Some(Member { service, role })
            })
            .collect();
        Self { members }
    }

    /// Every service that carries the version, running or not.
    pub(crate) fn all(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The services that run the product's own image.
    pub(crate) fn components(&self) -> impl Iterator<Item = &'a Service> {
        self.members
            .iter()
            .filter(|member| member.role == Role::Component)
            .map(|member| member.service)
    }

    /// The services that an upgrade stops and starts: those that run. Where none runs (the operator
    /// has taken the deployment down), all of them.
    pub(crate) fn active(&self) -> Vec<Member<'a>> {
        let running: Vec<Member<'a>> = self
            .members
            .iter()
            .copied()
            .filter(|member| member.service.state == ServiceState::Running)
            .collect();
        if running.iter().any(|member| member.role == Role::Component) {
            running
        } else {
            self.members.clone()
        }
    }

    /// Names of the active services, in order.
    pub(crate) fn names(&self) -> Vec<ServiceName> {
        self.active()
            .into_iter()
            .map(|member| member.service.name.clone())
            .collect()
    }

    /// The service whose configuration migrations run with.
    pub(crate) fn migrator(&self) -> Option<&'a Service> {
        self.active()
            .into_iter()
            .find(|member| member.role == Role::Component)
            .map(|member| member.service)
    }

    /// What the active services are made from at present, where they exist.
    pub(crate) fn present_images(&self) -> BTreeMap<ServiceName, ImagePin> {
        self.active()
            .into_iter()
            .filter_map(|member| {
                let pin = member.service.running.clone()?;
                Some((member.service.name.clone(), pin))
            })
            .collect()
    }

    /// The references that the active services have at `to`, by service; `None` in place of one
    /// whose tag does not contain the version it has now.
    pub(crate) fn references_at(
        &self,
        from: &Version,
        to: &Version,
    ) -> BTreeMap<ServiceName, Option<String>> {
        self.active()
            .into_iter()
            .map(|member| {
                let reference = reference::at_version(&member.service.image, from, to);
                (member.service.name.clone(), reference)
            })
            .collect()
    }
}

/// The edition that the operator says is in use; the only one where there is just one, else the default.
pub(crate) fn edition<'p>(product: &'p Product, config: &Config) -> Option<&'p Edition> {
    match (&config.edition, product.editions.as_slice()) {
        (Some(wanted), editions) => editions.iter().find(|edition| edition.id == *wanted),
        (None, [only]) => Some(only),
        (None, editions) => editions.iter().find(|edition| edition.default),
    }
}
