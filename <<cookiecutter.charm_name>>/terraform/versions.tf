# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

terraform {
  required_version = ">= 1.6"

  required_providers {
    juju = {
      source = "juju/juju"
      # 1.0 names models by UUID; 2.0 adds Juju 4.
<% if cookiecutter.integration_tests == "pytest-operator" %>
      version = ">= 1.0, < 3.0"
<% else %>
      version = ">= 2.0, < 3.0"
<% endif %>
    }
  }
}
