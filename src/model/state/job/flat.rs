//! A job as JSON, in the store and on the socket: one flat object, however it stands in memory. Fields are only added to it, with
//! defaults, so that rows of earlier versions can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::last::Happened;
use super::{
    AfterStop, ArrayMember, Away, Dependency, ExecutionState, Folder, Job, JobError, JobSpec, LaunchShape, Pause, RankRun,
    is_zero, rank_map, shared,
};
use crate::model::ids::{Attempt, ClusterId, ExperimentId, JobId, NodeId, Rank, WorkspaceId};
use crate::model::launch::NodePlace;
use crate::model::rule::Fired;
use crate::model::spec::Priority;
use crate::model::state::sweep::SweepMember;
use crate::model::units::{Money, UnixMillis};

/// See [`Job`] and [`Happened`], whose fields these are.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Job")]
struct Flat {
    id: JobId,
    workspace: WorkspaceId,
    experiment: ExperimentId,
    name: Arc<str>,
    uuid: Uuid,
    #[serde(getter = "Job::segment")]
    segment: String,
    cluster: ClusterId,
    #[serde(deserialize_with = "shared::spec")]
    spec: Arc<JobSpec>,
    #[serde(getter = "shape")]
    shape: LaunchShape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Arc<str>>,
    state: ExecutionState,
    since: UnixMillis,
    priority: Priority,
    #[serde(default)]
    held: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<Box<Pause>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<Box<ArrayMember>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sweep: Option<Box<SweepMember>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", getter = "fired")]
    fired: Vec<Fired>,
    #[serde(default, skip_serializing_if = "is_zero")]
    retries: u32,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "stop_at")]
    stop_at: Option<UnixMillis>,
    attempt: Attempt,
    #[serde(default)]
    requeues: u32,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "requeued_because")]
    requeued_because: Option<String>,
    #[serde(default, getter = "nodes")]
    nodes: Vec<NodeId>,
    #[serde(default, getter = "node_names")]
    node_names: Vec<String>,
    #[serde(default, getter = "places")]
    places: Vec<NodePlace>,
    #[serde(default, with = "rank_map", getter = "ranks")]
    ranks: BTreeMap<Rank, RankRun>,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "away")]
    away: Option<Arc<Away>>,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "behind")]
    behind: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "after_stop")]
    after_stop: Option<AfterStop>,
    created: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "started")]
    started: Option<UnixMillis>,
    #[serde(default)]
    spent: Money,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "ended")]
    ended: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "exit_code")]
    exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", getter = "errors")]
    errors: Vec<JobError>,
    #[serde(default)]
    deleting: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", getter = "deleting_since")]
    deleting_since: Option<UnixMillis>,
}

fn shape(job: &Job) -> &LaunchShape {
    &job.shape
}

macro_rules! of_last {
    ($($field:ident: $is:ty),* $(,)?) => {
        $(fn $field(job: &Job) -> &$is {
            &job.last.$field
        })*
    };
}

of_last! {
    fired: Vec<Fired>,
    stop_at: Option<UnixMillis>,
    requeued_because: Option<String>,
    nodes: Vec<NodeId>,
    node_names: Vec<String>,
    places: Vec<NodePlace>,
    ranks: BTreeMap<Rank, RankRun>,
    away: Option<Arc<Away>>,
    behind: Option<JobId>,
    after_stop: Option<AfterStop>,
    started: Option<UnixMillis>,
    ended: Option<UnixMillis>,
    exit_code: Option<i32>,
    errors: Vec<JobError>,
    deleting_since: Option<UnixMillis>,
}

impl From<Flat> for Job {
    fn from(flat: Flat) -> Self {
        let happened = Happened {
            fired: flat.fired,
            stop_at: flat.stop_at,
            requeued_because: flat.requeued_because,
            nodes: flat.nodes,
            node_names: flat.node_names,
            places: flat.places,
            ranks: flat.ranks,
            away: flat.away,
            behind: flat.behind,
            after_stop: flat.after_stop,
            started: flat.started,
            ended: flat.ended,
            exit_code: flat.exit_code,
            errors: flat.errors,
            deleting_since: flat.deleting_since,
        };
        Self {
            id: flat.id,
            workspace: flat.workspace,
            experiment: flat.experiment,
            folder: Folder::of(&flat.segment, &flat.name, flat.uuid),
            name: flat.name,
            uuid: flat.uuid,
            cluster: flat.cluster,
            spec: flat.spec,
            shape: shared::shared_shape(flat.shape),
            token: flat.token,
            state: flat.state,
            since: flat.since,
            priority: flat.priority,
            held: flat.held,
            deleting: flat.deleting,
            dependencies: flat.dependencies,
            pause: flat.pause,
            member: flat.member,
            sweep: flat.sweep,
            retries: flat.retries,
            attempt: flat.attempt,
            requeues: flat.requeues,
            created: flat.created,
            spent: flat.spent,
            last: happened.into(),
        }
    }
}

impl Serialize for Job {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Flat::serialize(self, s)
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Flat::deserialize(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As commit fb8c956 wrote it into its store.
    const WAITS: &str = concat!(
        r#"{"id":1,"workspace":1,"experiment":1,"name":"Run-1","uuid":"01a22a99-b4c6-7220-a9dc-b98bc2a86b36","#,
        r#""segment":"ostler/default/workspaces/w/experiments/e/jobs/Run-1/01a22a99-b4c6-7220-a9dc-b98bc2a86b36","#,
        r#""cluster":1,"spec":{"schedulingPriority":"normal","nodeCount":1,"#,
        r#""customToolkitSettings":{"commandLine":"true"},"constraints":{"maxWallClockTime":604800000},"#,
        r#""demand":"wholeNode"},"shape":{"setsUp":false,"prepares":false,"mainNodes":[0]},"#,
        r#""token":"01a22a99-b4c5-72ca-a8ad-f8b2975a8af3","state":"queued","since":1796011046085,"priority":"normal","#,
        r#""held":false,"attempt":0,"requeues":0,"nodes":[],"nodeNames":[],"places":[],"ranks":{},"#,
        r#""created":1796011046085,"spent":0,"deleting":false}"#,
    );

    #[test]
    fn a_job_is_one_flat_object_in_this_order() {
        let job: Job = serde_json::from_str(WAITS).unwrap();
        assert_eq!(serde_json::to_string(&job).unwrap(), WAITS);
        let mut ran = job.clone();
        ran.last.nodes = vec![NodeId(4)];
        (ran.last.exit_code, ran.last.ended) = (Some(3), Some(UnixMillis(9)));
        let text = serde_json::to_string(&ran).unwrap();
        let keys = text.split('"').skip(1).step_by(2).map(str::to_owned);
        let keys: Vec<String> =
            keys.filter(|key| ["nodes", "spent", "ended", "exitCode", "deleting"].contains(&key.as_str())).collect();
        assert_eq!(keys, ["nodes", "spent", "ended", "exitCode", "deleting"]);
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), ran);
    }

    #[test]
    fn what_waits_has_no_room_for_what_ran_and_shares_what_is_the_same() {
        let [mut one, other]: [Job; 2] = [(); 2].map(|()| serde_json::from_str(WAITS).unwrap());
        assert!(Arc::ptr_eq(&one.spec, &other.spec) && Arc::ptr_eq(&one.shape, &other.shape));
        // A hundred thousand of them are in memory: what becomes of few stands in `last`.
        assert!(size_of::<Job>() <= 208, "{}", size_of::<Job>());
        one.last.exit_code = Some(1);
        assert_ne!(one, other);
        one.last.exit_code = None;
        assert_eq!(one, other, "room without anything in it is no difference");
    }

    #[test]
    fn a_segment_that_is_no_path_of_a_job_stays_as_it_is() {
        for segment in ["", "s/run", "s/jobs/Run-1/x", "Run-1/01a22a99-b4c6-7220-a9dc-b98bc2a86b36"] {
            let uuid = "01a22a99-b4c6-7220-a9dc-b98bc2a86b36".parse().unwrap();
            assert_eq!(Folder::of(segment, "Run-1", uuid).segment("Run-1", uuid), segment);
        }
    }
}
