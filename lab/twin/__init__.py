"""The service without Kubernetes: real releases as processes, moved by a Deployment's rules.

`python -m lab.twin` is a world: pods that are processes on loopback, a balancer before them,
a controller that follows the rules of Deployments, probes that follow the kubelet's. Whoever
starts it speaks JSON, one object a line. It ends, with everything it started, when its
standard input ends, and on SIGTERM and SIGINT. What it does not imitate is in
`lab.twin.limits`.

Commands on standard input
--------------------------

Each has an `id` of the sender's choice (a whole number) and the name of the command in `do`.
Commands are taken one after the other; only `wait_ready`, `stop`, `migrate` and
`clear_migration` may take longer, and others are taken meanwhile.

start             {profile, database, release, releases, [variables], [nice], [host], [port],
                  [keep], [alive]}
                  Make the Deployment of `release` and a balancer; do not wait for its pods.
                  -> {target: "http://127.0.0.1:PORT"}
wait_ready        {within_s}
                  Answer when the rollout is complete, all pods are Ready, and none is left of
                  another template. Error ServiceNotReady after the bound, with what is missing.
                  -> {}
set_image         {release, [variables]}           -> {generation}
scale             {replicas}                       -> {generation}
set_strategy      {max_surge, max_unavailable}     -> {generation}
                  Counts or percentages ("25%").
pause, resume     {}                               -> {generation}
undo              {}                               -> {generation, release}
                  Error RolloutRefused while paused, and without an older template.
migrate           {track, [to], release, [options], [job]} -> {job}
                  Remove a Job of that name, start a new one; do not wait for its end.
                  `options` is a list of those of `chirps migrate up`, `job` another name.
clear_migration   {}                               End and remove all Jobs. -> {}
signal_pod        {pod, signal}                    -> {}
                  A signal by name ("SIGSTOP") to all processes of the pod's container.
delete_pod        {pod, [grace_s]}                 -> {}
                  As `kubectl delete pod`; the Deployment replaces it. `grace_s` 0: at once.
watch             {run, instance}                  -> {}
                  Begin a stream of lines, {"kind": "stream", "stream": "twin", "run",
                  "instance"}: all there is (pods as type LISTED), a `watch` line a resource,
                  and from then on every change. Before that, changes are not told.
unwatch           {}                               -> {}
                  End it: {"kind": "closed", "stream": "twin", "lines"} counts all its lines,
                  the first and itself among them. The answer follows the last line.
facts             {}                               -> the object below
pods              {}                               -> {pods: [{name, release, node, phase, ready,
                                                      terminating, restarts, reason, exit_code,
                                                      pid, port, log}]}
stop              {}                               -> {}
                  End all pods and Jobs at once and close the balancer. `start` may follow.

`profile` holds what manifests/chirps/profiles/*.yaml hold, under the same names:
replicas, max_surge, max_unavailable (a count or "25%"), min_ready_seconds,
progress_deadline_seconds, termination_grace_period_seconds, pre_stop_seconds,
graceful_seconds, startup_probe, readiness_probe, liveness_probe ({period_seconds,
timeout_seconds, failure_threshold}, with [initial_delay_seconds], [success_threshold]; or
null), pool_size, pool_timeout_seconds.

`database` holds environment variables that all processes get: PGHOST, PGPORT, PGDATABASE.
`releases` is an object by name of release, {"v2": {code, variables}}: `code` is the module
of the service (CHIRPS_CODE), `variables` are its own (PGUSER, PGPASSWORD_FILE). The entry
"migrate" holds those of migrations, and needs no code. `variables` of a command are the
policies of the template (CHIRPS_GATE, CHIRPS_DEFECT, ...); a change of them is a new
template. `set_image` without `variables` keeps those that are there. A release that is not
in `releases` is started all the same, with its own name as its code: it ends with 78, and
its pod with CrashLoopBackOff.

`nice` (0) is added to the niceness of pods and Jobs. `keep` (".") is a directory in which
each container leaves its log, as <pod>.<restarts>.log, and each Job as <pod>.log. `alive` is a
lock file that every process holds (`lab.twin.tether`).

Facts: {release, target, replicas, max_surge, max_unavailable (counts), min_ready_s,
progress_deadline_s, grace_s, pre_stop_s, paused, revision}.

Answers on standard output
--------------------------

{"id": 1, "ok": true, ...} or {"id": 1, "error": {"kind", "message", "hint"}}; `kind` is the
name of a class in `lab.errors`, or RolloutRefused. A line that is no command is answered
with id null. "Bug" as kind means an error of this program, with its trace as the message.

Lines on standard output
------------------------

Between `watch` and `unwatch` lines of the history, {"kind", "t", ...}, `t` by CLOCK_MONOTONIC in
ns, in the shape in which `lab.observer.watch` tells of a cluster: pod, replicaset, deployment,
endpoints, job, event, and watch.

Notices on standard output
--------------------------

{"notice", "t", "detail"}, at any time, for whoever looks after the world and not for the history:
`started` comes first of all, with the process id; `ended`: a container ended by itself (pod, exit
code, last words); `log lost`: a log cannot be written any more, for want of space, say.
"""
