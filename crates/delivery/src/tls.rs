//! Certificates of endpoints' own, made ready for connections once for each version of an endpoint.

use postrider_egress::{Egress, TlsParts, TlsProblem, TlsProfile};
use postrider_store::config::{Endpoint, EndpointTls};
use postrider_store::id::EndpointId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Endpoints whose certificates are kept ready; with more, all are forgotten and made anew.
const MAX_ENDPOINTS: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub struct TlsProfiles(Mutex<HashMap<EndpointId, (EndpointTls, TlsProfile)>>);

impl TlsProfiles {
    /// The endpoint's own certificates, if it has any.
    pub fn of(&self, egress: &Egress, endpoint: &Endpoint) -> Result<Option<TlsProfile>, TlsProblem> {
        let Some(tls) = &endpoint.secrets.tls else { return Ok(None) };
        if let Some((known, profile)) = self.lock().get(&endpoint.id)
            && known == tls
        {
            return Ok(Some(profile.clone()));
        }
        let profile = egress.tls_profile(parts(tls))?;
        let mut profiles = self.lock();
        if profiles.len() >= MAX_ENDPOINTS {
            profiles.clear();
        }
        profiles.insert(endpoint.id, (tls.clone(), profile.clone()));
        Ok(Some(profile))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EndpointId, (EndpointTls, TlsProfile)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parts(tls: &EndpointTls) -> TlsParts<'_> {
    TlsParts {
        chain: tls.client.as_ref().map(|client| client.chain.as_str()),
        key: tls.client.as_ref().map(|client| client.key.reveal()),
        authorities: tls.authorities.as_deref(),
    }
}
