locals {
  # What a job's token says of where it runs: of an environment when the job names one, else of a branch.
  place = var.environment != null ? "environment:${var.environment}" : "ref:refs/heads/${var.branch}"

  owner = split("/", var.repository)[0]
  name  = split("/", var.repository)[1]

  # GitHub writes the owner's and the repository's ids into `sub` of repositories that were made, renamed or moved since
  # 2026-07-15, and not into that of others. Ids never change hands; a name can, once its owner gives it up.
  subjects = [
    "repo:${var.repository}:${local.place}",
    "repo:${local.owner}@${var.owner_id}/${local.name}@${var.repository_id}:${local.place}",
  ]
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = local.subjects
    }
  }
}

data "aws_iam_policy_document" "push" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken has no resource of its own; everything else names the one repository

  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  # What a push takes ("IAM permissions for pushing an image", Amazon ECR user guide). Layers are never read.
  statement {
    sid = "PushImage"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [var.registry_arn]
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "What the pipeline of ${var.repository} may do: push images of one registry"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "push" {
  name   = "push"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.push.json
}
