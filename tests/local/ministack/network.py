"""The network. AWS keeps a rule's prefix lists, and an endpoint's security groups and private DNS; MiniStack forgets
them, so Terraform would change them again and again, and refuses to plan at all because of the first."""

import functools

from ministack.services import ec2


def apply() -> None:
    rules_keep_prefix_lists()
    endpoints_keep_their_groups()


def rules_keep_prefix_lists() -> None:
    parse = ec2._parse_ip_permissions

    @functools.wraps(parse)
    def corrected(params, prefix):
        rules = parse(params, prefix)
        for i, rule in enumerate(rules, 1):
            j = 1
            while name := ec2._p(params, f"{prefix}.{i}.PrefixListIds.{j}.PrefixListId"):
                described = ec2._p(params, f"{prefix}.{i}.PrefixListIds.{j}.Description")
                rule["PrefixListIds"].append({"PrefixListId": name, **({"Description": described} if described else {})})
                j += 1
        return rules

    show = ec2._sg_rule_xml

    @functools.wraps(show)
    def with_prefix_list(group, rule, is_egress=False):
        named = "".join(f"<prefixListId>{prefix['PrefixListId']}</prefixListId>" for prefix in rule["PrefixListIds"])
        # At the end of the rule: a rule with tags has items of its own.
        return f"{named}</item>".join(show(group, rule, is_egress=is_egress).rsplit("</item>", 1))

    ec2._parse_ip_permissions, ec2._sg_rule_xml = corrected, with_prefix_list


def endpoints_keep_their_groups() -> None:
    fields = ec2._vpce_fields_xml

    @functools.wraps(fields)
    def with_groups(endpoint, tag="item"):
        groups = "".join(f"<item><groupId>{group}</groupId><groupName></groupName></item>"
                         for group in endpoint.get("SecurityGroupIds", []))
        private = str(endpoint.get("PrivateDnsEnabled", False)).lower()
        return fields(endpoint, tag).removesuffix(f"</{tag}>") + (
            f"<groupSet>{groups}</groupSet><privateDnsEnabled>{private}</privateDnsEnabled></{tag}>")

    def keeping(change):
        @functools.wraps(change)
        def corrected(params):
            before = set(ec2._vpc_endpoints)
            answer = change(params)
            made = [ec2._vpc_endpoints[name] for name in set(ec2._vpc_endpoints) - before]
            changed = ec2._vpc_endpoints.get(ec2._p(params, "VpcEndpointId"))
            for endpoint in made or ([changed] if changed else []):
                groups = endpoint.get("SecurityGroupIds", []) + ec2._parse_member_list(params, "SecurityGroupId")
                groups += ec2._parse_member_list(params, "AddSecurityGroupId")
                removed = ec2._parse_member_list(params, "RemoveSecurityGroupId")
                endpoint["SecurityGroupIds"] = [group for group in dict.fromkeys(groups) if group not in removed]
                if private := ec2._p(params, "PrivateDnsEnabled"):
                    endpoint["PrivateDnsEnabled"] = private == "true"
            return answer
        return corrected

    ec2._vpce_fields_xml = with_groups
    for name in ("_create_vpc_endpoint", "_modify_vpc_endpoint"):
        corrected = keeping(getattr(ec2, name))
        for action, handler in list(ec2._ACTION_MAP.items()):
            if handler is getattr(ec2, name):
                ec2._ACTION_MAP[action] = corrected
        setattr(ec2, name, corrected)
