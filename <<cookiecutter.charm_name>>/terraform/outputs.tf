# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

output "app_name" {
  description = "Name of the application, to integrate it with others."
  value       = juju_application.charm.name
}

output "provides" {
  description = "Endpoints that the charm provides, by the name to call them by."
  value       = {}
}

output "requires" {
  description = "Endpoints that the charm requires, by the name to call them by."
  value       = {}
}
