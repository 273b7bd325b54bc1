//! What happens in the model world: effects are performed, people ask, things break. The node's side keeps its promises (a
//! start lock, exit records kept until acknowledged); all else may fail: links, machines, answers, order.

use std::collections::BTreeSet;

use super::super::*;
use super::rig::{EXP, GPU, WS, facts, new_job, refused, spec};
use super::world::{Machine, Op, Record, World, pick};
use crate::model::ids::{RankKey, RankRole};
use crate::model::kept::Kept;
use crate::model::rule::{Act as RuleAct, Fired};
use crate::model::spec::job::LaunchShape;
use crate::model::spec::sweep::{Parameter, Part, Search, Values};
use crate::model::spec::{
    AutoScale, Begin, Deallocation, Demand, GpuIdle, GpuIdleThen, Priority, Resources, Retry, RetryOn, SweepSpec,
};
use crate::model::state::file_server::ServerOutcome;
use crate::model::state::{
    BootId, Dependency, DependsOn, ExecutionState, NodeState, Notice, Observed, Proof, StopWhy, SweepMember, Unusable,
};
use crate::model::units::{Millis, NodeCount};

impl World {
    /// Does one thing.
    pub(super) fn act(&mut self, (kind, at): Op) {
        let nodes: Vec<_> = self.machines.keys().copied().collect();
        let jobs: Vec<_> = self.sched.jobs().keys().copied().collect();
        match kind % 40 {
            0..=11 => self.perform_one(at),
            12..=15 => self.submit(at),
            16..=19 => self.exit_one(at),
            20 if at % 5 == 1 => self.use_of(pick(&nodes, at), at),
            20 => self.cut(pick(&nodes, at), false),
            21 => self.cut(pick(&nodes, at), true),
            22 | 23 => self.heal(pick(&nodes, at), at),
            24 => self.reboot(pick(&nodes, at), at),
            25 => self.lose_process(at),
            26 if at.is_multiple_of(3) => self.auto_scale(at),
            26 => self.scale(at),
            27 => self.on_node(pick(&nodes, at), at),
            28..=30 => self.on_job(pick(&jobs, at / 8), at % 8),
            31 => self.on_ended(at),
            32 => self.ask_daemon(at),
            33 => self.repeat_last(),
            34 | 35 => self.pass(Millis::from_secs(u64::from(at) % 90)),
            36 => self.pass(Millis::from_mins(u64::from(at) % 15)),
            37 => self.rebuild(),
            38 => self.restart(),
            _ => self.rarely(pick(&nodes, at), at),
        }
    }

    fn submit(&mut self, at: u16) {
        if !self.sched.clusters().contains_key(&GPU) || !self.sched.experiments().contains_key(&EXP) {
            return;
        }
        self.submitted += 1;
        let nodes = 1 + u32::from(at) % 3;
        let main_nodes = if at.is_multiple_of(2) { vec![0] } else { (0..nodes).collect() };
        let mut spec = spec(nodes);
        spec.scheduling_priority = [Priority::Low, Priority::Normal, Priority::High][at as usize % 3];
        if at % 7 < 3 {
            let (cpus_milli, gpus_milli) = (u64::from(at % 5) * 1000 + 500, u64::from(at / 8 % 3) * 300);
            spec.demand = Demand::Part(Resources { cpus_milli, gpus_milli, ..Resources::default() });
        }
        let serving = u32::from(at.is_multiple_of(3) && main_nodes.len() > 1);
        let sets_up = at.is_multiple_of(4);
        let shape = LaunchShape { sets_up, prepares: at.is_multiple_of(5), main_nodes, serving, handed: false };
        if at % 13 == 6 {
            spec.scheduling.begin_time = Some(Begin::In(Millis::from_secs(u64::from(at) % 300)));
        }
        if at % 11 == 5 {
            let delay = Millis::from_secs(u64::from(at / 8) % 40);
            let on = vec![RetryOn::ExitCode, RetryOn::TimeLimit, RetryOn::NodeLost];
            spec.scheduling.retry = Some(Retry { delay, on, ..Retry::attempts(2 + u32::from(at % 2)) });
        }
        let mut new = new_job(&format!("job{}", self.submitted), spec, shape);
        if at % 19 >= 16 {
            return self.sweep(at, new);
        }
        if at % 9 == 4 {
            new.dependencies = self.some_dependencies(at);
        }
        if at % 17 != 3 {
            return self.tell(Event::JobsSubmitted { jobs: vec![new] });
        }
        self.tell(Event::SweepCreated {
            sweep: NewSweep {
                experiment: new.experiment,
                cluster: new.cluster,
                name: new.name,
                uuid: new.uuid,
                count: 4,
                priority: new.spec.scheduling_priority,
                held: false,
                token: None,
                dependencies: new.dependencies,
                spec: Arc::new(SweepSpec::array(new.spec)),
                indexes: format!("0-3%{}", 1 + at % 2).parse().ok().map(Box::new),
            },
        });
    }

    /// A sweep comes, or something is done to all its members.
    fn sweep(&mut self, at: u16, new: NewJob) {
        let there: Vec<_> = self.sched.sweeps().keys().copied().collect();
        let Some(sweep) = pick(&there, at / 19).filter(|_| at % 19 > 16) else {
            let parameter = Parameter { name: "n".into(), values: Values::List((0..9).map(Into::into).collect()) };
            let part = Part { parameters: vec![parameter], search: Search::Grid, exclude: Vec::new() };
            let mut spec = SweepSpec::new(serde_json::Value::Null, vec![part]);
            spec.failures_max = (at % 3 == 1).then_some(1);
            let sweep = NewSweep {
                experiment: new.experiment,
                cluster: new.cluster,
                name: format!("sweep{}", self.submitted),
                uuid: new.uuid,
                spec: Arc::new(spec),
                count: 9,
                priority: new.spec.scheduling_priority,
                held: at % 5 == 1,
                token: None,
                dependencies: Vec::new(),
                indexes: None,
            };
            return self.tell(Event::SweepCreated { sweep });
        };
        self.tell(match at % 9 {
            0 => Event::SweepTrimmed { sweep, keep: u32::from(at / 9) % 9 },
            1 if !self.sched.sweeps()[&sweep].is_array() => {
                let row = &self.sched.sweeps()[&sweep];
                let part = row.spec.parts[0].clone();
                Event::SweepExtended { sweep, spec: Arc::new(row.spec.extended(part)), count: 9 }
            }
            2 | 3 => Event::SweepHeld { sweep, held: true },
            4 => Event::SweepHeld { sweep, held: false },
            5 => Event::SweepPriority { sweep, priority: Priority::High },
            6 if at % 4 == 1 => {
                let running: Vec<_> = self.alive().into_iter().map(|(_, key)| key.job).collect();
                let Some(job) = pick(&running, at / 9) else { return };
                Event::StoppedEarly { job, why: "it was not among the best".into() }
            }
            6 if at % 4 == 2 => {
                let running: Vec<_> = self.alive();
                let Some((node, key)) = pick(&running, at / 9) else { return };
                let acts = [RuleAct::Notify, RuleAct::Retry, RuleAct::ExcludeNode, RuleAct::Stop];
                let act = acts[usize::from(at / 36) % 4];
                let (rule, why) = ("loss is nan -> stop".into(), "loss is nan".into());
                let fired = Fired { at: self.now, rule, why, act, attempt: key.attempt.0 };
                Event::RuleFired { job: key.job, node, fired }
            }
            6 => Event::SweepStopped { sweep },
            7 => Event::SweepDeleted { sweep },
            // Somebody acts on one before its turn.
            _ => Event::SweepExpanded { effect: None, sweep, members: self.members(sweep, 1, true) },
        });
    }

    /// Makes jobs of the next members of a sweep, or of the last ones.
    fn members(&self, sweep: SweepId, count: usize, last: bool) -> Vec<NewMember> {
        let Some(row) = self.sched.sweeps().get(&sweep) else { return Vec::new() };
        let next: Vec<u32> = match last {
            true => row.left.iter().rev().take(count).collect(),
            false => row.left.iter().take(count).collect(),
        };
        if row.is_array() {
            return super::rig::members_of(row, next.into_iter());
        }
        let member = |index: u32| {
            let running_max = index.is_multiple_of(2).then_some(2);
            let of = SweepMember { of: sweep, name: row.name.clone(), index, parameters: Vec::new(), running_max };
            let new = new_job(&row.member_name(index), spec(1), super::rig::every_node(1));
            NewMember { index, job: NewJob { sweep: Some(of), ..new }, refused: (index == 5).then(|| "no body".to_owned()) }
        };
        next.into_iter().map(member).collect()
    }

    fn some_dependencies(&self, at: u16) -> Vec<Dependency> {
        let to_come = self.sched.sweeps().values().filter_map(|row| row.job_of(row.left.iter().next_back()?));
        let jobs: Vec<_> = self.sched.jobs().keys().copied().chain(to_come).collect();
        let on = [DependsOn::Start, DependsOn::Success, DependsOn::End];
        let picked = [pick(&jobs, at / 9), pick(&jobs, at / 5)].into_iter().flatten().enumerate();
        picked.map(|(n, job)| Dependency { job, name: job.to_string(), on: on[(at as usize + n) % 3], met: false }).collect()
    }

    /// Performs one outstanding effect, if its node can be reached; some answers are lost on the way.
    fn perform_one(&mut self, at: u16) {
        let open: Vec<_> = self.outbox.keys().copied().collect();
        if let Some(id) = pick(&open, at) {
            self.perform(id, at % 11 == 3);
        }
    }

    fn perform(&mut self, id: EffectId, lost: bool) {
        let act = self.outbox[&id].clone();
        let answer = match act {
            Act::AcquireNode { node, .. } => Some(self.acquire(id, node)),
            Act::PrepareNode { node } => return self.prepare(id, node),
            Act::KeepLogs { .. } => Some(Event::LogsKept { effect: id, kept: Kept::default() }),
            Act::ReleaseNode { node } => {
                assert!(self.machines[&node].spool.values().all(|r| *r != Record::Alive), "I14 {node} is in use");
                self.machines.remove(&node);
                self.hosts_free += 1;
                return self.tell(Event::NodeReleased { effect: id });
            }
            // It waits there, and is answered when its turn has come.
            Act::StartRank { .. } if self.waits(&act) => None,
            Act::StartRank { node, boot, key, .. } => self.start(id, node, &boot, key),
            Act::RecallRank { node, key } => {
                let Some(machine) = self.linked(node) else { return };
                if !machine.spool.contains_key(&key) && !machine.acked.contains(&key) {
                    machine.spool.insert(key, Record::Over(Proof::Fenced));
                    self.tell(Event::RankGone { key, effect: None, proof: Proof::Fenced });
                }
                Some(Event::EffectDone { effect: id })
            }
            Act::StopRank { node, key, why, .. } => self.stop(id, node, key, why),
            Act::AckGone { node, key } => self.linked(node).map(|machine| {
                assert_ne!(machine.spool.get(&key), Some(&Record::Alive), "{key} lives and is acknowledged as gone");
                machine.spool.remove(&key);
                machine.acked.insert(key);
                Event::EffectDone { effect: id }
            }),
            Act::AnswerDaemon { node, .. } => self.linked(node).map(|_| Event::EffectDone { effect: id }),
            Act::Notify { .. } => Some(Event::EffectDone { effect: id }),
            Act::SetUpServer { .. } | Act::UndoServer { .. } => {
                let outcome = ServerOutcome::Failed { message: "no host".to_owned() };
                Some(Event::FileServerAnswered { effect: id, outcome })
            }
            // Fewer than asked for is right too: the rest is asked for again.
            Act::ExpandSweep { sweep, .. } => {
                Some(Event::SweepExpanded { effect: Some(id), sweep, members: self.members(sweep, 3, false) })
            }
        };
        if let Some(answer) = answer.filter(|_| !lost) {
            self.tell(answer);
        }
    }

    /// Says whether a start was sent ahead behind a process that lives.
    fn waits(&self, act: &Act) -> bool {
        let Act::StartRank { node, key, after: Some(after), .. } = act else { return false };
        let waits = |machine: &Machine| {
            let lives = machine.spool.get(after) == Some(&Record::Alive);
            machine.linked && lives && !machine.spool.contains_key(key)
        };
        self.machines.get(node).is_some_and(waits)
    }

    fn linked(&mut self, node: NodeId) -> Option<&mut Machine> {
        self.machines.get_mut(&node).filter(|machine| machine.linked)
    }

    fn acquire(&mut self, effect: EffectId, node: NodeId) -> Event {
        // A repeat finds what was got before by the node's identity.
        if !self.machines.contains_key(&node) {
            if self.hosts_free == 0 {
                return Event::AcquireFailed { effect, code: "no-host".into(), message: "all hosts are taken".into() };
            }
            self.hosts_free -= 1;
            self.machines.insert(node, Machine { boot: 1, ..Machine::default() });
        }
        let name = format!("host{}", node.0);
        Event::NodeAcquired { effect, name: name.clone(), host: name, machine: String::new(), price: None }
    }

    fn prepare(&mut self, effect: EffectId, node: NodeId) {
        self.come_up(node, Some(effect), 0);
    }

    fn come_up(&mut self, node: NodeId, effect: Option<EffectId>, at: u16) {
        let Some(machine) = self.machines.get_mut(&node) else { return };
        machine.linked = true;
        let seen = |record: &Record| match record {
            Record::Alive => Sighting::Alive,
            Record::Over(proof) => Sighting::Gone(proof.clone()),
        };
        let inventory = machine.spool.iter().map(|(key, record)| (*key, seen(record))).collect();
        let boot = BootId(format!("b{}", machine.boot));
        self.tell(Event::NodeUp { node, effect, boot, facts: Box::new(facts(1 + u64::from(at) % 2)), inventory });
    }

    fn start(&mut self, effect: EffectId, node: NodeId, boot: &BootId, key: RankKey) -> Option<Event> {
        let machine = self.linked(node)?;
        assert!(!machine.acked.contains(&key), "{key} is started after its end was acknowledged");
        let proof = match machine.spool.get(&key) {
            Some(Record::Alive) => return Some(Event::RankStarted { effect, key }),
            Some(Record::Over(proof)) => proof.clone(),
            None if *boot != BootId(format!("b{}", machine.boot)) => {
                Proof::Refused { why: "another boot".into(), code: None }
            }
            None if effect.0.is_multiple_of(13) => Proof::Refused { why: "no room on disk".into(), code: None },
            None => {
                machine.spool.insert(key, Record::Alive);
                let former = self.begun.insert(key, node);
                assert_eq!(former, None, "I02 {key} starts twice");
                return Some(Event::RankStarted { effect, key });
            }
        };
        self.linked(node)?.spool.insert(key, Record::Over(proof.clone()));
        Some(Event::RankGone { key, effect: Some(effect), proof })
    }

    fn stop(&mut self, effect: EffectId, node: NodeId, key: RankKey, why: StopWhy) -> Option<Event> {
        let machine = self.linked(node)?;
        if machine.acked.contains(&key) {
            return Some(Event::RankGone { key, effect: Some(effect), proof: Proof::Fenced });
        }
        let proof = match machine.spool.get(&key) {
            Some(Record::Alive) => Proof::Exit { code: 143, why: Some(why) },
            Some(Record::Over(proof)) => proof.clone(),
            None => Proof::Fenced,
        };
        self.linked(node)?.spool.insert(key, Record::Over(proof.clone()));
        Some(Event::RankGone { key, effect: Some(effect), proof })
    }

    /// A process ends by itself; the node says so when it can be heard.
    fn exit_one(&mut self, at: u16) {
        let Some((node, key)) = pick(&self.alive(), at) else { return };
        let code = if at.is_multiple_of(4) { 1 + i32::from(at % 3) } else { 0 };
        let why = (at % 17 == 5).then_some(StopWhy::Limit);
        let proof = match key.rank.role {
            RankRole::Setup | RankRole::Cleanup if code != 0 && at.is_multiple_of(8) => {
                Proof::Told { code, words: "MountError targetPath=/m no such device".into() }
            }
            _ => Proof::Exit { code, why },
        };
        self.end(node, key, proof);
    }

    fn end(&mut self, node: NodeId, key: RankKey, proof: Proof) {
        if let Proof::Exit { code, .. } | Proof::Told { code, .. } = proof {
            self.wrote.insert((key, code));
        }
        let Some(machine) = self.machines.get_mut(&node) else { return };
        machine.spool.insert(key, Record::Over(proof.clone()));
        if machine.linked {
            self.tell(Event::RankGone { key, effect: None, proof });
        }
    }

    fn lose_process(&mut self, at: u16) {
        let Some((node, key)) = pick(&self.alive(), at) else { return };
        self.end(node, key, Proof::Lost { why: "supervisor killed".into() });
    }

    fn cut(&mut self, node: Option<NodeId>, hard: bool) {
        let Some(node) = node else { return };
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.linked = false;
        }
        let why = if hard {
            Unusable { code: "auth-refused".into(), step: "sign in".into(), message: "Permission denied".into() }
        } else {
            refused()
        };
        let retry_in = (!hard).then_some(crate::model::units::Millis(2000));
        self.tell(Event::NodeDown { node, why, retry_in });
    }

    fn heal(&mut self, node: Option<NodeId>, at: u16) {
        if let Some(node) = node.filter(|node| !self.machines[node].linked) {
            self.come_up(node, None, at);
        }
    }

    /// All processes die with their machine; their directories stay, or the whole spool goes.
    fn reboot(&mut self, node: Option<NodeId>, at: u16) {
        let Some(node) = node else { return };
        let Some(machine) = self.machines.get_mut(&node) else { return };
        machine.boot += 1;
        machine.linked = false;
        let boot = BootId(format!("b{}", machine.boot));
        let dead = |record: &Record| *record == Record::Alive;
        if at.is_multiple_of(3) {
            machine.spool.clear();
        } else {
            for record in machine.spool.values_mut().filter(|record| dead(record)) {
                *record = Record::Over(Proof::Rebooted { boot: boot.clone() });
            }
        }
        self.tell(Event::NodeDown { node, why: refused(), retry_in: Some(crate::model::units::Millis(2000)) });
    }

    /// A node is used in another way, or its provider says that it takes it away.
    fn use_of(&mut self, node: Option<NodeId>, at: u16) {
        let Some(node) = node else { return };
        let now = self.now;
        if at % 7 == 3 {
            let notice = (!at.is_multiple_of(3))
                .then(|| Notice { at: now + Millis::from_secs(u64::from(at) % 400), why: String::new() });
            return self.tell(Event::NodeNoticed { node, notice });
        }
        if at % 7 == 4 {
            return self
                .tell(Event::NodeAwaited { node, why: at.is_multiple_of(2).then(|| "its turn has not come".to_owned()) });
        }
        if at % 7 == 5 {
            let ends = (!at.is_multiple_of(3)).then(|| now + Millis::from_secs(u64::from(at)));
            return self.tell(Event::NodeEnds { node, ends });
        }
        let bit = |n: u16| at >> n & 1 == 1;
        let observed = Observed {
            gpus: u32::from(at % 3),
            gpus_still: (0..4).filter(|_| bit(4) || bit(5)).map(|index| (index, now)).collect(),
            left_alone: bit(6).then_some(now),
            strangers: (0..2).filter(|index| bit(7 + *index as u16) && bit(9)).map(|index| (index, "x".into())).collect(),
            ..Observed::default()
        };
        self.tell(Event::NodeMeasured { node, observed });
    }

    fn auto_scale(&mut self, at: u16) {
        if at.is_multiple_of(11) {
            return self.tell(Event::ScaleTakenBack { cluster: GPU });
        }
        let (minimum, maximum) = (u32::from(at) % 3, 1 + u32::from(at) % 3 + u32::from(at / 8) % 4);
        let auto = AutoScale::new(NodeCount(minimum), NodeCount(maximum), NodeCount(minimum));
        let then = if at % 4 < 2 { GpuIdleThen::Stop } else { GpuIdleThen::Say };
        let gpu_idle = (at % 5 < 3).then_some(GpuIdle { after: Millis::from_secs(u64::from(at) % 300), then });
        let auto = AutoScale { idle: Millis::from_secs(u64::from(at) % 900), gpu_idle, ..auto };
        self.tell(Event::AutoScaleAsked { cluster: GPU, auto });
    }

    fn scale(&mut self, at: u16) {
        let options =
            [None, Some(Deallocation::Requeue), Some(Deallocation::Terminate), Some(Deallocation::WaitForJobCompletion)];
        let (target, deallocation) = (NodeCount(u32::from(at / 4) % 7), options[at as usize % 4]);
        let before = self.sched.preview_scale(GPU, target, deallocation, None);
        let nodes = self.sched.counters().node;
        let going = |sched: &Sched| {
            let leaving = sched.nodes().values().filter(|n| n.state == NodeState::Leaving);
            leaving.map(|node| node.id).collect::<BTreeSet<_>>()
        };
        let (left, deleting) = (going(&self.sched), self.sched.clusters().get(&GPU).is_none_or(|c| c.deleting));
        self.tell(Event::ScaleAsked { cluster: GPU, target, deallocation });
        if deleting {
            return;
        }
        let acquired = self.sched.counters().node.0 - nodes.0;
        assert_eq!(acquired, u64::from(before.acquire.0), "the preview asks for as many: {before:?}");
        let now = going(&self.sched);
        let gone = |id: &NodeId| now.contains(id) || !self.sched.nodes().contains_key(id);
        assert!(before.release_now.iter().all(gone), "the preview releases these: {before:?}");
        if before.deallocation != Deallocation::WaitForJobCompletion {
            assert!(before.release_busy.iter().all(|(id, _)| gone(id)), "the preview releases these: {before:?}");
        }
        let said: BTreeSet<_> = before.release_now.iter().chain(before.release_busy.iter().map(|(id, _)| id)).collect();
        assert!(now.difference(&left).all(|id| said.contains(id)), "only what the preview said goes: {before:?}");
    }

    fn on_node(&mut self, node: Option<NodeId>, at: u16) {
        let Some(node) = node else { return };
        match at % 3 {
            0 => self.tell(Event::PrepareAsked { node }),
            1 => self.tell(Event::DrainAsked { node }),
            _ => self.tell(Event::UndrainAsked { node }),
        }
    }

    fn on_job(&mut self, job: Option<JobId>, what: u16) {
        let Some(job) = job else { return };
        self.tell(match what {
            0 => Event::TerminateAsked { job, until: self.now },
            1 | 2 => Event::TerminateAsked { job, until: self.now + self.settings.stop_hold },
            3 => Event::TerminateTakenBack { job },
            4 => Event::DeleteAsked { job },
            5 => Event::HoldAsked { job },
            6 => Event::ReleaseAsked { job },
            _ => Event::PriorityAsked { job, priority: Priority::High },
        });
    }

    fn on_ended(&mut self, at: u16) {
        let ended: Vec<_> = self.ended.keys().copied().collect();
        let Some(job) = pick(&ended, at / 2).and_then(|id| self.ended.get(&id)).cloned() else { return };
        if at.is_multiple_of(2) {
            let (id, failed) = (job.id, job.state == ExecutionState::Failed);
            self.tell(Event::RetryAsked { job });
            if failed && self.sched.jobs().contains_key(&id) {
                self.ended.remove(&id);
            }
        } else {
            self.tell(Event::EndedJobDeleted { job });
        }
    }

    fn ask_daemon(&mut self, at: u16) {
        let mains: Vec<_> = self.alive().into_iter().filter(|(_, key)| key.rank.role == RankRole::Main).collect();
        let Some((node, by)) = pick(&mains, at) else { return };
        if self.machines[&node].linked {
            let (request, node_index) = (u32::from(at) % 3, u32::from(at / 3) % 4);
            self.tell(Event::DaemonAsked { by, request, node_index, command: "orted".into() });
        }
    }

    /// Answers arrive twice.
    fn repeat_last(&mut self) {
        match self.last.clone() {
            Some(event) if event.answers().is_some() => self.tell(event),
            Some(_) | None => {}
        }
    }

    pub(super) fn pass(&mut self, span: Millis) {
        let end = self.now + span;
        while let Some(at) = self.sched.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tell(Event::Deadline);
        }
        self.now = end;
    }

    fn loaded(&self) -> Sched {
        let outbox: Vec<_> = self.outbox.iter().map(|(id, act)| Effect { id: *id, act: act.clone() }).collect();
        let rows = self.rows.values().cloned().collect();
        Sched::restore(self.settings.clone(), self.sched.counters(), rows, &outbox)
    }

    /// From here on a core rebuilt from the store runs beside.
    fn rebuild(&mut self) {
        let mut twin = self.loaded();
        // How fast jobs go is all that a start finds out anew.
        twin.paces.clone_from(&self.sched.paces);
        twin.check();
        self.twin = Some(twin);
    }

    /// The program dies and starts again.
    fn restart(&mut self) {
        self.sched = self.loaded();
        self.twin = None;
        for machine in self.machines.values_mut() {
            machine.linked = false;
        }
        self.tell(Event::Started);
    }

    fn rarely(&mut self, node: Option<NodeId>, at: u16) {
        let held = node.is_some_and(|node| self.sched.nodes().get(&node).is_some_and(|n| !n.host.is_empty()));
        match (at % 16, node.filter(|_| held)) {
            (0, _) if at.is_multiple_of(5) => self.tell(Event::ClusterDeleteAsked { cluster: GPU }),
            (1, _) if at.is_multiple_of(5) => self.tell(Event::ExperimentDeleteAsked { experiment: EXP }),
            (2, _) if at.is_multiple_of(9) => self.tell(Event::WorkspaceDeleteAsked { workspace: WS }),
            (2, _) if at.is_multiple_of(2) => {
                let running_max = Some(u32::from(at / 16) % 4).filter(|most| *most > 0);
                self.tell(Event::ExperimentCapped { experiment: EXP, running_max });
            }
            (0..=2, _) => self.change_settings(at),
            (3..=9, Some(node)) => {
                // A person's word is true here: the machine is dead.
                self.kill(node);
                self.tell(Event::DeclaredDead { node, by: "ada".into() });
            }
            (10..=15, Some(node)) => {
                self.machines.remove(&node);
                self.hosts_free += 1;
                self.tell(Event::NodeGone { node });
            }
            _ => {}
        }
    }

    fn change_settings(&mut self, at: u16) {
        self.settings.requeues_max = u32::from(at / 16) % 3;
        self.settings.unreachable_after = Millis::from_secs(u64::from(at) % 90 + 1);
        self.settings.gang_lost_after = Millis::from_secs(u64::from(at) % 900 + 1);
        self.tell(Event::SettingsChanged { settings: self.settings.clone() });
    }

    fn kill(&mut self, node: NodeId) {
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.linked = false;
            machine.spool.clear();
            machine.acked.clear();
        }
    }

    /// Faults stop; what is asked for is reasonable; all work has to come to its end, and nothing may be left.
    pub(super) fn calm_down(&mut self) {
        const ROUNDS_MAX: usize = 400;
        /// Orders in one of these minutes; more is a circle.
        const ORDERS_MAX: usize = 20_000;
        self.hosts_free += 5;
        if self.sched.clusters().contains_key(&GPU) {
            self.tell(Event::ScaleAsked { cluster: GPU, target: NodeCount(4), deallocation: Some(Deallocation::Requeue) });
        }
        for job in self.sched.jobs().keys().copied().collect::<Vec<_>>() {
            self.tell(Event::ReleaseAsked { job });
        }
        for sweep in self.sched.sweeps().keys().copied().collect::<Vec<_>>() {
            self.tell(Event::SweepHeld { sweep, held: false });
        }
        // Strangers go, or a job of all nodes waits for them, and rightly so.
        let taken = self.sched.nodes().values().filter(|node| !node.observed.strangers.is_empty());
        for (node, observed) in taken.map(|node| (node.id, node.observed.clone())).collect::<Vec<_>>() {
            self.tell(Event::NodeMeasured { node, observed: Observed { strangers: BTreeMap::new(), ..observed } });
        }
        for _ in 0..ROUNDS_MAX {
            for node in self.sched.nodes().values().filter(|n| n.drained).map(|n| n.id).collect::<Vec<_>>() {
                self.tell(Event::UndrainAsked { node });
            }
            let unusable = |node: &&Arc<Node>| matches!(node.state, NodeState::Unusable(_)) && !node.is_held();
            for node in self.sched.nodes().values().filter(unusable).map(|n| n.id).collect::<Vec<_>>() {
                self.tell(Event::PrepareAsked { node });
            }
            for node in self.machines.keys().copied().collect::<Vec<_>>() {
                self.heal(Some(node), 0);
            }
            let mut orders = 0;
            while let Some(id) = self.outbox.iter().find(|(_, act)| !self.waits(act)).map(|(id, _)| *id) {
                orders += 1;
                assert!(orders < ORDERS_MAX, "orders without end: {:?}", self.outbox);
                self.perform(id, false);
            }
            for (node, key) in self.alive() {
                self.end(node, key, Proof::Exit { code: 0, why: None });
            }
            self.pass(Millis::from_mins(1));
            let usable = self.sched.nodes().values().all(|node| !unusable(&node));
            if self.sched.jobs().is_empty() && self.outbox.is_empty() && usable {
                break;
            }
        }
        let jobs: Vec<_> =
            self.sched.jobs().values().map(|job| (job.id, job.state, self.sched.why(self.now, job.id))).collect();
        assert!(jobs.is_empty(), "I29 these never ended: {jobs:#?}");
        assert!(self.outbox.is_empty(), "I30 never done: {:?}", self.outbox);
        assert!(self.alive().is_empty(), "I30 processes left: {:?}", self.alive());
        for (node, machine) in &self.machines {
            assert!(machine.spool.is_empty(), "I30 {node} keeps records that nobody took: {:?}", machine.spool);
        }
        if let Some(cluster) = self.sched.clusters().get(&GPU) {
            let idle = self.sched.nodes().values().filter(|n| n.state == NodeState::Idle).count();
            assert_eq!((idle, cluster.head.as_ref()), (4, None), "I31 capacity is back");
        }
    }
}
