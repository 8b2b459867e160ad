# The two files beside this one, run by psql (14 or newer), as a module for Terraform
# or OpenTofu. It needs no provider: the server and its owner are what libpq finds in
# PGHOST, PGUSER, PGPASSWORD, PGSSLMODE and so on. Nothing is dropped on destroy, since
# there are logins in the tables.

terraform {
  required_version = ">= 1.11" # a password that is in no plan and no state
}

variable "database" {
  type        = string
  description = "An existing database in which codexauth keeps its logins."
  default     = "logins"
}

variable "fleet" {
  type        = string
  description = "The role that is made for the brokers and commands of the fleet."
  default     = "fleet"
}

variable "password" {
  type        = string
  description = "The role's password. It is in no plan and no state."
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.password) >= 16
    error_message = "A password of the fleet has 16 characters or more."
  }
}

variable "password_version" {
  type        = number
  description = "To be raised whenever the password changes."
  default     = 1
}

locals {
  environment = {
    PGDATABASE               = var.database
    CODEXAUTH_FLEET          = var.fleet
    CODEXAUTH_FLEET_PASSWORD = var.password
  }
}

resource "terraform_data" "roles" {
  triggers_replace = [var.database, var.fleet]

  provisioner "local-exec" {
    command     = "psql -X -v ON_ERROR_STOP=1 -f roles.sql"
    environment = local.environment
    working_dir = path.module
  }
}

resource "terraform_data" "password" {
  triggers_replace = [terraform_data.roles.id, var.password_version]

  provisioner "local-exec" {
    command     = "psql -X -v ON_ERROR_STOP=1 -f password.sql"
    environment = local.environment
    working_dir = path.module
  }
}
