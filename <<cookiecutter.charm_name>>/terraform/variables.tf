# Copyright << cookiecutter.copyright_year >> << cookiecutter.author >>
# See LICENSE file for licensing details.

variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "<< cookiecutter.charm_name >>"
}

variable "base" {
  description = "Operating system that the charm is deployed on."
  type        = string
  default     = "<< cookiecutter.base >>"
}

variable "channel" {
  description = "Channel of Charmhub that the charm comes from."
  type        = string
  default     = "latest/edge"
}

variable "config" {
  description = "The charm's configuration options, by name."
  type        = map(string)
  default     = {}
}

variable "constraints" {
  description = "Constraints of the application, separated by spaces. A change replaces the application."
  type        = string
  default     = null
}

variable "model_uuid" {
  description = "UUID of the model that the application is deployed to."
  type        = string
}
<% if cookiecutter.substrate == "kubernetes" %>

variable "resources" {
  description = "Images by resource: a revision on Charmhub or an image's address. Those of the channel by default."
  type        = map(string)
  default     = {}
}
<% endif %>

variable "revision" {
  description = "Revision of the charm. The newest of the channel by default."
  type        = number
  default     = null
}

variable "units" {
  description = "Number of units; with one there is nobody to take over."
  type        = number
  default     = 3

  validation {
    condition     = var.units >= 1
    error_message = "At least one unit is needed."
  }
}
