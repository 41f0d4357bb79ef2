# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

# Plans the module without a controller: `tofu test`, or `terraform test` from 1.7 on.
mock_provider "juju" {}

variables {
  model_uuid = "00000000-0000-4000-8000-000000000000"
}

run "the_defaults_deploy_three_units" {
  command = plan

  assert {
    condition     = juju_application.charm.units == 3
    error_message = "One leader and two units to take over are the default."
  }

  assert {
    condition     = juju_application.charm.charm[0].name == "<< cookiecutter.charm_name >>"
    error_message = "The charm isn't the one of this repository."
  }

  assert {
    condition     = output.app_name == "<< cookiecutter.charm_name >>"
    error_message = "The application isn't named after the charm."
  }
}

run "every_variable_reaches_the_application" {
  command = plan

  variables {
    app_name    = "other"
    base        = "<< cookiecutter.base >>"
    channel     = "latest/stable"
    config      = { log-level = "debug" }
    constraints = "mem=4G"
<% if cookiecutter.substrate == "kubernetes" %>
    resources   = { workload-image = "2" }
<% endif %>
    revision    = 7
    units       = 5
  }

  assert {
    condition     = juju_application.charm.name == "other" && output.app_name == "other"
    error_message = "app_name is lost."
  }

  assert {
    condition = (
      juju_application.charm.charm[0].base == "<< cookiecutter.base >>"
      && juju_application.charm.charm[0].channel == "latest/stable"
      && juju_application.charm.charm[0].revision == 7
    )
    error_message = "base, channel or revision is lost."
  }

  assert {
    condition = (
      juju_application.charm.config["log-level"] == "debug"
      && juju_application.charm.constraints == "mem=4G"
<% if cookiecutter.substrate == "kubernetes" %>
      && juju_application.charm.resources["workload-image"] == "2"
<% endif %>
      && juju_application.charm.units == 5
    )
    error_message = "A variable of the application is lost."
  }
}

run "no_units_are_refused" {
  command = plan

  variables {
    units = 0
  }

  expect_failures = [var.units]
}
