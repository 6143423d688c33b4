//! A stack as the steps of a plan leave it.

use std::collections::BTreeMap;

use switchback_model::product;
use switchback_model::stack::{
    ChangeAction, ParameterNow, ParameterWish, Stack, StackIs, StackResource, StackUpdate, Template,
};

use super::review::Review;

/// A stack as the steps so far leave it.
#[derive(Clone, Debug)]
pub(super) struct Simulated<'a> {
    pub(super) stack: Stack,
    /// The template of the definition.
    pub(super) of: &'a product::Template,
    /// The template that it has.
    pub(super) template: &'a Template,
    /// What parameters had that are something else for the time being.
    pub(super) held: BTreeMap<String, ParameterNow>,
    /// True once a step changes it.
    pub(super) touched: bool,
    /// True where it got its template in this round already.
    pub(super) settled: bool,
}

impl Simulated<'_> {
    /// True where the plan makes it: nobody knows its ARN before.
    pub(super) fn is_made(&self) -> bool {
        self.stack.id.is_empty()
    }

    /// True where the plan makes it with services in it.
    pub(super) fn makes_services(&self) -> bool {
        let mut resources = self.template.resources.values();
        self.is_made() && resources.any(|resource| resource.kind == "AWS::ECS::Service")
    }

    /// How it must be found.
    pub(super) fn is(&self) -> StackIs {
        StackIs {
            stack: self.stack.name.clone(),
            id: (!self.is_made()).then(|| self.stack.id.clone()),
            body: self.stack.body.clone(),
            parameters: self
                .stack
                .parameters
                .iter()
                .map(|(name, now)| (name.clone(), now.value.clone()))
                .collect(),
        }
    }

    /// Its parameters with what is held put back.
    pub(super) fn parameters(&self) -> BTreeMap<String, ParameterNow> {
        let mut parameters = self.stack.parameters.clone();
        for (name, value) in &self.held {
            if let Some(now) = parameters.get_mut(name) {
                now.clone_from(value);
            }
        }
        parameters
    }

    /// The image that its parameters name for the product, one that the update changed before others.
    pub(super) fn image(&self, repositories: &[String]) -> Option<&str> {
        let images = || {
            self.stack
                .parameters
                .iter()
                .filter(|(name, _)| name.contains("Image"))
                .filter_map(|(_, now)| now.value.as_deref())
                .filter(|value| value.contains(':'))
        };
        let is_ours = |reference: &&str| {
            repositories.iter().any(|repository| {
                let bare = reference
                    .rsplit_once(':')
                    .map_or(*reference, |(bare, _)| bare);
                bare == repository || bare.ends_with(&format!("/{repository}"))
            })
        };
        images().find(is_ours).or_else(|| images().next())
    }
}

impl<'a> Simulated<'a> {
    /// What it is once the update is done.
    pub(super) fn apply(&mut self, update: &StackUpdate, template: &'a Template, review: &Review) {
        let mut next = BTreeMap::new();
        for (name, wish) in &update.parameters {
            let masked = template.parameters.get(name).is_some_and(|it| it.no_echo);
            let now = match wish {
                ParameterWish::Previous => self
                    .stack
                    .parameters
                    .get(name)
                    .cloned()
                    .unwrap_or_else(ParameterNow::masked),
                ParameterWish::Value { value } if !masked => ParameterNow::plain(value.clone()),
                _ => ParameterNow::masked(),
            };
            next.insert(name.clone(), now);
        }
        self.stack.parameters = next;
        if let Some(place) = &update.template {
            self.stack.body = place.digest.clone();
            self.template = template;
        }
        for predicted in &review.predicted {
            let change = &predicted.change;
            let resources = &mut self.stack.resources;
            match change.action {
                ChangeAction::Add if !resources.is_empty() => resources.push(StackResource {
                    logical: change.logical.clone(),
                    physical: None,
                    kind: change.kind.clone(),
                    status: "CREATE_COMPLETE".to_owned(),
                }),
                ChangeAction::Remove => resources.retain(|it| it.logical != change.logical),
                _ => {}
            }
        }
        self.touched = true;
    }
}
