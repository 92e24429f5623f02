"""Analyse the network of ``prunus demo`` on two Dask workers of this machine."""

from importlib import resources
from pathlib import Path

from dask.distributed import Client, LocalCluster

from prunus.plugin import Settings, spread

FILES = Path(str(resources.files("prunus") / "cli" / "demo_files"))


def main() -> None:
    settings = Settings(
        model=FILES / "digits.onnx",
        data=str(FILES / "test.npz"),
        workspace=Path("work").absolute(),
    )
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        for file in spread(client.get_executor(), settings, count=3):
            print(file.name)


if __name__ == "__main__":
    main()
