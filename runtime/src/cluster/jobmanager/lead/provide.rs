//! TaskManagers that are started on demand.

use std::time::Duration;

use tracing::{info, warn};

use super::{super::provider::Provider, Lead};
use crate::{
    cluster::draw,
    control::{
        TaskManagerId,
        provision::{self, Provision, ProvisionSettings, Registered},
    },
};

/// TaskManagers on demand.
pub(super) struct Provided {
    pub(super) provision: Provision,
    slots: u32,
    pub(super) provider: Box<dyn Provider>,
    /// Where they find this JobManager.
    jobmanagers: Vec<String>,
}

/// How often it is looked whether TaskManagers that were started have ended.
pub(super) const PROVIDER_INTERVAL: Duration = Duration::from_secs(1);

impl Lead {
    pub(in crate::cluster::jobmanager) fn with_provider(
        self,
        settings: ProvisionSettings,
        provider: Box<dyn Provider>,
        jobmanagers: Vec<String>,
    ) -> Self {
        let provision = Provision::new(settings);
        Self { provided: Some(Provided { provision, slots: settings.slots, provider, jobmanagers }), ..self }
    }

    /// Has as many TaskManagers as are needed.
    pub(super) fn provide(&mut self) {
        let Some(Provided { provision, slots, provider, jobmanagers }) = &mut self.provided else { return };
        let now = self.envs.control.now();
        for id in provider.ended() {
            provision.gone(now, id);
        }
        let registered: Vec<_> =
            self.machine.members().map(|of| Registered { id: of.id, used: of.slots - of.free }).collect();
        let draw = || TaskManagerId(draw(&*self.envs.control));
        for command in provision.step(now, self.machine.missing_slots(), &registered, draw) {
            match command {
                provision::Command::Start(id) => {
                    info!(taskmanager = %id, slots, "a TaskManager is started");
                    if let Err(reason) = provider.start(id, *slots, jobmanagers) {
                        warn!(reason, "a TaskManager cannot be started");
                        provision.gone(now, id);
                    }
                }
                provision::Command::Stop(id) => {
                    info!(taskmanager = %id, "a TaskManager is stopped");
                    provider.stop(id);
                }
            }
        }
    }
}
