/*
 * governance -- everything that is not a request to a model: a table of routes, each a function that fills the answer.
 *
 *	GET  /healthz /readyz /metrics        for operators
 *	GET  /v1/models /v1/models/ID         what engines serve, with zone and weights
 *	GET  /log/checkpoint                  the newest signed tree head (C2SP), /log/vkey the keys that verify it
 *	GET  /log/checkpoint.{cosigned,stamped,tsr}  the head that witnesses cosigned, that an authority stamped, its stamp
 *	GET  /haechi/v1/tickets/ID            a held request: waiting, refused, or (approved) its answer by the pipeline
 *	POST /haechi/v1/reviews               what an official did with an answer (gateway/reported.h)
 *	GET  /haechi/v1/usecases[/ID]         registered uses of the caller's agency and what the Act says of them
 *	GET  /haechi/v1/status                versions, policy bundle, log size
 *	GET  /console/                        a page for people
 */
#ifndef HAECHI_GATEWAY_GOVERNANCE_H
#define HAECHI_GATEWAY_GOVERNANCE_H

#include "gateway/exchange.h"

/* Find the route and begin: answers itself, waits, or calls pipeline_steps(). */
void governance_route(struct exchange *x);
/* A route that waited was woken. */
void governance_resume(struct exchange *x, enum step_result verdict);

#endif
