//! What would be missed if a resource were another.

use serde::{Deserialize, Serialize};

use super::store::StoreKind;

/// What is in danger where a resource is taken away or made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "store")]
pub enum DangerKind {
    /// Data: an update with it is refused.
    Data(StoreKind),
    /// An address that others know.
    Address,
    /// The entrance for traffic.
    LoadBalancer,
}

impl DangerKind {
    /// What a resource of this type is to others; `None` where another of its kind is as good.
    pub fn of(resource_type: &str) -> Option<Self> {
        match resource_type {
            "AWS::EC2::EIP" => Some(Self::Address),
            "AWS::ElasticLoadBalancingV2::LoadBalancer"
            | "AWS::ElasticLoadBalancing::LoadBalancer" => Some(Self::LoadBalancer),
            _ => StoreKind::of(resource_type).map(Self::Data),
        }
    }
}
