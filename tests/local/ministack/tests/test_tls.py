"""Load balancers by TLS: a client sees the certificate of the listener, and turns away where it names another host."""

import http.client
import http.server
import socket
import ssl
import threading

import pytest
from conftest import started, until


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            ports.append(probe.getsockname()[1])
    authority = folder / "authority.pem"
    more = {"SLIPWAY_TLS_PORT": str(ports[0]), "SSL_CERT_FILE": str(authority), "SLIPWAY_PROXY_PORT": str(ports[1])}
    for cloud in started(folder, **more):
        cloud.tls_port, cloud.proxy_port, cloud.authority = *ports, authority
        yield cloud


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def balanced(cloud, name, **listener):
    """A load balancer with a target that answers, and a listener; its HTTP listener redirects, as people have it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    elb = cloud.client("elbv2")
    balancer = elb.create_load_balancer(Name=name, Subnets=["subnet-1", "subnet-2"])["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=server.server_port, TargetType="ip", VpcId="vpc-1")["TargetGroups"][0]
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": "127.0.0.1", "Port": server.server_port}])
    redirect = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[redirect])
    made = elb.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTPS", Port=443, **listener,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}])
    return made["Listeners"][0]["ListenerArn"]


def certificate(cloud, name):
    arn = cloud.client("acm").request_certificate(DomainName=name)["CertificateArn"]
    return [{"CertificateArn": arn}]


def asked(cloud, host):
    context = ssl.create_default_context(cafile=str(cloud.authority))
    plain = socket.create_connection(("127.0.0.1", cloud.tls_port), timeout=5)
    connection = http.client.HTTPSConnection(host, cloud.tls_port, timeout=5)
    connection.sock = context.wrap_socket(plain, server_hostname=host)
    connection.request("GET", "/")
    return connection.getresponse().status


def test_a_listener_shows_the_certificate_that_it_has(tls):
    host = "shop.alb.localhost"
    listener = balanced(tls, "shop", Certificates=certificate(tls, host))

    assert until(lambda: asked(tls, host) == 200 or None)
    tls.client("elbv2").modify_listener(ListenerArn=listener, Certificates=certificate(tls, "www.example.com"))
    with pytest.raises(ssl.SSLCertVerificationError, match="www.example.com|doesn't match|mismatch"):
        asked(tls, host)


def test_nobody_answers_by_tls_where_no_listener_does(tls):
    with pytest.raises(ssl.SSLError):
        asked(tls, "nobody.alb.localhost")


def test_a_target_group_has_its_protocol_version(tls):
    elb = tls.client("elbv2")
    made = [elb.create_target_group(Name=f"group-{index}", Port=80, TargetType="ip", VpcId="vpc-1", **more)["TargetGroups"][0]
            for index, more in enumerate([{"Protocol": "HTTP"}, {"Protocol": "HTTP", "ProtocolVersion": "GRPC"}, {"Protocol": "TCP"}])]

    assert [group.get("ProtocolVersion") for group in made] == ["HTTP1", "GRPC", None]
    assert [group["HealthCheckProtocol"] for group in made] == ["HTTP", "HTTP", "TCP"]
    assert [group.get("HealthCheckPath") for group in made] == ["/", "/AWS.ALB/healthcheck", None]
    assert [group.get("Matcher") for group in made] == [{"HttpCode": "200"}, {"GrpcCode": "12"}, None]


def test_a_target_group_of_a_load_balancer_is_described_whole(tls):
    balanced(tls, "whole", Certificates=certificate(tls, "whole.alb.localhost"))
    elb = tls.client("elbv2")
    group = elb.describe_target_groups(Names=["whole"])["TargetGroups"][0]
    balancer = elb.describe_load_balancers(Names=["whole"])["LoadBalancers"][0]["LoadBalancerArn"]

    assert (group["LoadBalancerArns"], group["ProtocolVersion"], group["TargetType"]) == ([balancer], "HTTP1", "ip")


def test_a_target_group_is_a_load_balancers_by_any_of_its_rules(tls):
    listener = balanced(tls, "ruled", Certificates=certificate(tls, "ruled.alb.localhost"))
    elb = tls.client("elbv2")
    other = elb.create_target_group(Name="other", Protocol="HTTP", Port=80, TargetType="ip", VpcId="vpc-1")["TargetGroups"][0]
    elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/other/*"]}],
                    Actions=[{"Type": "forward", "TargetGroupArn": other["TargetGroupArn"]}])

    balancer = elb.describe_load_balancers(Names=["ruled"])["LoadBalancers"][0]["LoadBalancerArn"]
    assert elb.describe_target_groups(Names=["other"])["TargetGroups"][0]["LoadBalancerArns"] == [balancer]


def test_a_load_balancer_is_found_by_its_own_name_and_port(tls):
    cloud = tls
    balanced(cloud, "named", Certificates=certificate(cloud, "named.alb.localhost"))
    balancer = cloud.client("elbv2").describe_load_balancers(Names=["named"])["LoadBalancers"][0]["DNSName"]

    def status(host, port):
        proxy = http.client.HTTPConnection("127.0.0.1", cloud.proxy_port, timeout=5)
        proxy.request("GET", f"http://{host}:{port}/", headers={"Host": f"{host}:{port}"})
        return proxy.getresponse().status

    assert balancer.endswith(".elb.amazonaws.com")
    assert status(balancer, 80) == 301, "its listener on that port redirects"
    assert until(lambda: status(balancer, 443) == 200 or None), "and this one forwards"
    assert status("www.example.com", 80) == 502, "nobody else is there"
