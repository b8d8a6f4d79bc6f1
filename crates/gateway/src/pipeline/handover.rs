//! What becomes of the credential that a caller presented, and which fields only the gateway says to a backend.
//!
//! A backend believes what its gateway says of the caller. So what the gateway says, nobody else may have said: neither in the
//! head nor in trailers, which some recipients merge into it, in no spelling that a backend may read as the same
//! name. A backend without `credentials` in the configuration has none of this; authenticators take out what they have
//! looked at, and the rest passes as it came.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use portcullis_http1::Fields;

use crate::http::{Body, BodyError, Frame, Size, Source, claims};

/// Fields by which a caller proves who it is; none of them passes to a backend that is told by the gateway.
const CREDENTIALS: &[&str] = &["authorization", "dpop"];

/// What one backend's `credentials` ask of every request to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// Whether the caller's credential goes on as it came.
    pub passes_credential: bool,
    /// Names of the fields that only the gateway says.
    pub own: Box<[Box<str>]>,
}

impl Handover {
    /// Takes out what only the gateway may say, and what the caller proved itself with.
    pub fn clean(&self, fields: &mut Fields) {
        fields.retain(|field| !self.is_own(field.name));
    }

    /// The same for the trailers of a body.
    pub(super) fn clean_trailers(self: &Arc<Self>, body: &mut Body) {
        if matches!(body, Body::Stream(_)) {
            let inner = body.take();
            *body = Body::Stream(Box::new(Cleaned { inner, handover: Arc::clone(self) }));
        }
    }

    fn is_own(&self, name: &[u8]) -> bool {
        let credentials = if self.passes_credential { &[] } else { CREDENTIALS };
        credentials.iter().any(|own| claims::are_aliases(name, own.as_bytes()))
            || self.own.iter().any(|own| claims::are_aliases(name, own.as_bytes()))
    }
}

/// A body whose trailers say nothing that only the gateway says.
struct Cleaned {
    inner: Body,
    handover: Arc<Handover>,
}

impl Source for Cleaned {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        let mut frame = ready!(self.inner.poll_frame(cx))?;
        if let Frame::Trailers(fields) = &mut frame {
            self.handover.clean(fields);
        }
        Poll::Ready(Ok(frame))
    }

    fn size(&self) -> Size {
        self.inner.size()
    }

    fn rewind(&mut self) -> bool {
        self.inner.rewind()
    }

    fn drive(&mut self, cx: &mut TaskContext<'_>) {
        self.inner.drive(cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(handover: &Handover, names: &[&str]) -> Vec<String> {
        let mut fields = Fields::new();
        for name in names {
            fields.push(name, "value");
        }
        handover.clean(&mut fields);
        fields.iter().map(|field| String::from_utf8_lossy(field.name).into_owned()).collect()
    }

    #[test]
    fn what_the_gateway_says_nobody_else_says() {
        let own = Handover { own: ["x-tenant".into()].into(), ..Handover::default() };
        let sent = ["X-Tenant", "x_tenant", "X.TENANT", "x-tenant-name", "Authorization", "dpop", "cookie"];
        assert_eq!(names(&own, &sent), ["x-tenant-name", "cookie"]);
        let passing = Handover { passes_credential: true, ..own };
        assert_eq!(names(&passing, &sent), ["x-tenant-name", "Authorization", "dpop", "cookie"]);
    }

    #[test]
    fn it_is_not_said_in_trailers_either() {
        struct Trailing(bool);
        impl Source for Trailing {
            fn poll_frame(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
                if std::mem::replace(&mut self.0, true) {
                    return Poll::Ready(Ok(Frame::End));
                }
                let mut fields = Fields::new();
                fields.push("X_Tenant", "evil");
                fields.push("x-sum", "1");
                Poll::Ready(Ok(Frame::Trailers(fields)))
            }

            fn size(&self) -> Size {
                Size::Unknown
            }
        }
        let handover = Arc::new(Handover { own: ["x-tenant".into()].into(), ..Handover::default() });
        let mut body = Body::Stream(Box::new(Trailing(false)));
        handover.clean_trailers(&mut body);
        let mut cx = TaskContext::from_waker(std::task::Waker::noop());
        let Poll::Ready(Ok(Frame::Trailers(fields))) = body.poll_frame(&mut cx) else { panic!("trailers") };
        assert_eq!(fields.iter().map(|field| field.name).collect::<Vec<_>>(), [b"x-sum"]);
        assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(Ok(Frame::End))));
    }
}
