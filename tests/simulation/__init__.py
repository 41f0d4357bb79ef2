"""A simulated Juju, in which packed charms are dispatched and integration tests run.

=============  ====================================================================================
model.py       one application: its units, lease, peer databag, secret, actions; which hook is next
releases.py    where Juju 3.6 and Juju 4 differ
clock.py       the time that all of it asks: it passes while nobody has work to do
hookcommands   what a hook may ask and write, buffered until it exits 0, refused as Juju refuses
hosts.py       where a unit runs: a machine, or a pod whose containers run a real Pebble each
deployment.py  the units on their hosts, and what is dispatched there
jujucli.py     the part of the juju command that the generated integration tests use
arguments.py   their arguments
suite.py       the generated integration tests, run by their own tox
controller.py  answers the processes below over one socket
programs/      what other processes run: the commands' client, the unit agent, systemd
containers.py  namespaces, so that units share neither /etc nor processes nor the network
=============  ====================================================================================

Real: the packed charm, its dispatch, its Python and virtual environment, files, Pebble and its
command, services' processes, the hosts' network, the generated tests, jubilant and its plugin.
Simulated: everything of Juju, Kubernetes and systemd. Not simulated: relations but the peer one,
storages' events, resources' content, upgrades of Juju, update-status, and secrets that become due.

A test that asks how the integration tests judge, and not how the charm is dispatched, lets its
controller fork: the agents then run the charm's code, and its hook commands, without a process
for each.
"""
