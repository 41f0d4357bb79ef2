# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

resource "juju_application" "charm" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  units       = var.units
  config      = var.config
  constraints = var.constraints
<% if cookiecutter.substrate == "kubernetes" %>
  resources   = var.resources
<% endif %>

  charm {
    name     = "<< cookiecutter.charm_name >>"
    channel  = var.channel
    revision = var.revision
    base     = var.base
  }
}
