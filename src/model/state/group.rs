//! Resource groups: a level above workspaces, hidden while there is only the one that is always there.

use serde::{Deserialize, Serialize};

use crate::model::ids::GroupId;
use crate::model::units::UnixMillis;

/// The name of the group that is always there and has no row.
pub const DEFAULT_GROUP: &str = "default";

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceGroup {
    /// Our identity; never [`GroupId::DEFAULT`].
    pub id: GroupId,
    /// As typed; unique.
    pub name: String,
    /// When it was made.
    pub created: UnixMillis,
    /// When deletion was asked for; it goes when the last workspace in it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting_since: Option<UnixMillis>,
}
