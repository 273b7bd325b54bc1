//! Every command line that the screen shows for an act is one that the program takes.

use clap::Parser;

use ostler::cli::args::Cli;
use ostler::model::cost::{Brake, Budget, Period};
use ostler::model::ids::*;
use ostler::model::request::*;
use ostler::model::spec::{Deallocation, GpuIdle, GpuIdleThen, Priority};
use ostler::model::units::*;
use ostler::tui::equivalent;
use ostler::tui::msg::Msg;
use ostler::tui::world::World;

use crate::world;

fn known() -> World {
    let Msg::Update(update) = world::update(1, true, world::at_work()) else { panic!("it is an update") };
    let mut known = World::default();
    known.apply(&update);
    known
}

#[test]
fn what_is_shown_for_an_act_is_understood() {
    let known = known();
    let job = known.live_jobs().next().expect("there is a job").id;
    let node = known.nodes_of(ClusterId(1)).first().copied().expect("there is a node");
    let cluster = Place { name: Some("gpu".into()), workspace: Some("prod".into()) };
    let of_job = |act| Request::Job { job: JobRef::Id(job), act };
    let of_node = |act| Request::Node { node: NodeRef::Id(node), act };
    let requests = [
        of_job(JobAct::Terminate { hold: Millis(5000) }),
        of_job(JobAct::Retry),
        of_job(JobAct::Delete),
        of_job(JobAct::Hold),
        of_job(JobAct::Release),
        of_job(JobAct::Priority { priority: Priority::Low }),
        of_job(JobAct::Priority { priority: Priority::High }),
        of_node(NodeAct::Prepare),
        of_node(NodeAct::Replace),
        of_node(NodeAct::Drain),
        of_node(NodeAct::Undrain),
        of_node(NodeAct::DeclareDead { by: "me".into() }),
        Request::Scale(Scale {
            cluster: cluster.clone(),
            target: NodeCount(4),
            deallocation: Some(Deallocation::WaitForJobCompletion),
            seen: None,
        }),
        Request::SetBudget {
            cluster: Some(cluster.clone()),
            workspace: None,
            budget: Some(Budget::new(Money(99_500_001), Period::Week, Brake::Zero)),
        },
        Request::SetBudget { cluster: None, workspace: Some("vision/prod".into()), budget: None },
        Request::AutoScale {
            cluster: cluster.clone(),
            minimum: NodeCount(1),
            maximum: NodeCount(4),
            idle: Some(Millis::from_mins(5)),
            gpu_idle: None,
        },
        Request::AutoScale {
            cluster: cluster.clone(),
            minimum: NodeCount(1),
            maximum: NodeCount(4),
            idle: None,
            gpu_idle: Some(GpuRule::Off),
        },
        Request::AutoScale {
            cluster: cluster.clone(),
            minimum: NodeCount(1),
            maximum: NodeCount(4),
            idle: None,
            gpu_idle: Some(GpuRule::On(GpuIdle { after: Millis::from_mins(30), then: GpuIdleThen::Stop })),
        },
        Request::KeepAwake { cluster: cluster.clone(), span: Millis::from_mins(120) },
        Request::ResumeScaling { cluster: cluster.clone() },
        Request::TakeScaleBack { cluster: cluster.clone() },
        Request::ChangeHosts { cluster: cluster.clone(), add: vec!["a".into()], remove: vec![] },
        Request::DeleteCluster { cluster: cluster.clone(), force: true },
        Request::CreateExperiment { workspace: Some("prod".into()), name: "new".into() },
        Request::CapExperiment { experiment: cluster.clone(), running_max: Some(3) },
        Request::CapExperiment { experiment: cluster.clone(), running_max: None },
        Request::DeleteExperiment(cluster.clone()),
        Request::DeleteWorkspace { workspace: "other/prod".into(), force: true },
        Request::CreateGroup { name: "team".into() },
        Request::DeleteGroup { group: "team".into(), force: true },
        Request::DeleteFileServer { file_server: cluster, force: true },
    ];
    for request in &requests {
        let line = equivalent::line(request, &known).unwrap_or_else(|| panic!("{request:?} has a line"));
        let words = shlex::split(&line).expect("it is quoted");
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{line}: {error}");
        }
    }
}
